"""The exporters keep the contract."""

from __future__ import annotations

from typing import ClassVar

from ocr_trainer.plugin import Prediction
from ocr_trainer.testing import ExporterSuite
from ocr_trainer.testing.exporters import MODELS


class TestOnnx(ExporterSuite):
    name = "onnx"


class TestRapidOcr(ExporterSuite):
    name = "rapidocr"


class TestPaddleX(ExporterSuite):
    name = "paddlex"


class TestOpenCv(ExporterSuite):
    name = "opencv"


class TestSafetensors(ExporterSuite):
    name = "safetensors"


class TestTorchExport(ExporterSuite):
    """Without recognizers: CRNN is refused, and tracing others takes long."""

    name = "torch_export"
    models: ClassVar = {Prediction.regions: MODELS[Prediction.regions]}


class TestOnnxTr(ExporterSuite):
    """Without detectors: OnnxTR's pages have a million pixels.

    OnnxTR resizes a narrower text to its own size, and rounding may take a column. PARSeq's have one width.
    """

    name = "onnxtr"
    models: ClassVar = {
        Prediction.text: (
            *("model=parseq", "model.size=tiny", "model.max_length=4", "charset.characters=' ABC12'"),
        )
    }
