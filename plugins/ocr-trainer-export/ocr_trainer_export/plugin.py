"""Descriptions of the exporters. Importing them imports neither torch nor ONNX."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ocr_trainer.plugin import Config, ExporterPlugin


@dataclass
class OnnxConfig(Config):
    """The options of the format `onnx`."""

    int8: bool = False
    """Add `model.int8.onnx` (static, per channel, QDQ) if it loses at most 0.5 points and is faster."""


@dataclass
class PaddleXConfig(Config):
    """The options of the format `paddlex`."""

    python: Path | None = None
    """A Python interpreter that has PaddleX 3.7 (`pip install 'paddlex[ocr-core]==3.7.*' onnxruntime`), for
    the gate. Without it, the gate follows PaddleX's rules itself, and the model card says so."""


@dataclass
class PlainConfig(Config):
    """A format without options."""


onnx = ExporterPlugin(
    api=1,
    summary="ONNX: uint8 RGB in, probabilities out, any batch and size; with everything in its metadata",
    config=OnnxConfig,
    factory="ocr_trainer_export.onnx_format:OnnxExporter",
)

rapidocr = ExporterPlugin(
    api=1,
    summary="ONNX as RapidOCR takes it; recognizers that are decoded with CTC",
    config=PlainConfig,
    factory="ocr_trainer_export.rapidocr_format:RapidOcrExporter",
)

paddlex = ExporterPlugin(
    api=1,
    summary="ONNX and inference.yml as PaddleX takes them; recognizers that are decoded with CTC",
    config=PaddleXConfig,
    factory="ocr_trainer_export.paddlex_format:PaddleXExporter",
)

opencv = ExporterPlugin(
    api=1,
    summary="ONNX as OpenCV's TextDetectionModel_DB and TextRecognitionModel take it",
    config=PlainConfig,
    factory="ocr_trainer_export.opencv_format:OpenCvExporter",
)

safetensors = ExporterPlugin(
    api=1,
    summary="weights as safetensors and the configuration as JSON, without pickle",
    config=PlainConfig,
    factory="ocr_trainer_export.safetensors_format:SafetensorsExporter",
)

torch_export = ExporterPlugin(
    api=1,
    summary="a program of torch.export in one file; networks without LSTM",
    config=PlainConfig,
    factory="ocr_trainer_export.torch_format:TorchExporter",
)

onnxtr = ExporterPlugin(
    api=1,
    summary="ONNX as OnnxTR takes it, of its fixed sizes",
    config=PlainConfig,
    factory="ocr_trainer_export.onnxtr_format:OnnxTrExporter",
)
