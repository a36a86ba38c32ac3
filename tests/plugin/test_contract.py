"""The built-in plugins keep the contract, like any other."""

from __future__ import annotations

from ocr_trainer.testing import CallbackSuite, LoggerSuite, WriterSuite


class TestCsvLogger(LoggerSuite):
    name = "csv"


class TestLRMonitor(CallbackSuite):
    name = "lr_monitor"


class TestGradNorm(CallbackSuite):
    name = "grad_norm"
    overrides = ("callback.grad_norm.every=1",)


class TestProfiler(CallbackSuite):
    name = "profiler"
    overrides = ("callback.profiler.start=0", "callback.profiler.batches=1")


class TestJson(WriterSuite):
    name = "json"


class TestText(WriterSuite):
    name = "text"


class TestPage(WriterSuite):
    name = "page"


class TestAlto(WriterSuite):
    name = "alto"


class TestHocr(WriterSuite):
    name = "hocr"


class TestTsv(WriterSuite):
    name = "tsv"


class TestPdf(WriterSuite):
    name = "pdf"
    overrides = ("lossless=true", "dpi=200")


class TestCsv(WriterSuite):
    name = "csv"
    overrides = ("formulas=true",)


class TestIcdar(WriterSuite):
    name = "icdar"
    overrides = ("decimals=2", "confidence=true")


class TestOverlay(WriterSuite):
    name = "overlay"
