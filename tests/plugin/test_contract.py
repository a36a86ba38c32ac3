"""The built-in plugins keep the contract, like any other."""

from __future__ import annotations

from ocr_trainer.testing import DatasetSuite, LoggerSuite


class TestSynthetic(DatasetSuite):
    name = "synthetic"


class TestCsv(LoggerSuite):
    name = "csv"
