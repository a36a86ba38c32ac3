"""The exporters keep the contract."""

from __future__ import annotations

from ocr_trainer.testing import ExporterSuite


class TestOnnx(ExporterSuite):
    name = "onnx"


class TestRapidOcr(ExporterSuite):
    name = "rapidocr"


class TestOpenCv(ExporterSuite):
    name = "opencv"


class TestSafetensors(ExporterSuite):
    name = "safetensors"
