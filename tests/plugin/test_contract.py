"""The built-in plugins keep the contract, like any other."""

from __future__ import annotations

from ocr_trainer.testing import LoggerSuite


class TestCsv(LoggerSuite):
    name = "csv"
