"""The exporter `onnx`: uint8 RGB in, probabilities out."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import torch

from ocr_trainer.exporting.exporter import Engine, Exporter, Subject
from ocr_trainer.exporting.metadata import KEY, dump
from ocr_trainer.tasks.exportable import OutputKind
from ocr_trainer_export.graph import Graph, Session, write_onnx
from ocr_trainer_export.wrappers import Probabilities

MODEL = "model.onnx"
EXAMPLES = Path(__file__).with_name("examples")
TINY = 1e-38
"""The least probability whose logarithm is taken."""


class OnnxExporter(Exporter):
    """Writes ONNX files of our own form, which `ocr_trainer.evaluation` and our runtime read."""

    example = "onnx.py"

    def write(self, subject: Subject, folder: Path) -> None:
        """Write `model.onnx` and `example.py`."""
        write_onnx(self.graph(subject), folder / MODEL, {KEY: dump(subject.metadata)})
        shutil.copyfile(EXAMPLES / self.example, folder / "example.py")

    def graph(self, subject: Subject) -> Graph:
        """Return the module to trace."""
        module = Probabilities(subject.exportable)
        images = example_images(subject)
        if not subject.reads:
            axes = {0: "batch", 2: "height", 3: "width"}
            return Graph(
                module,
                {"images": images},
                ["probabilities"],
                {"images": axes, "probabilities": axes_of(1, 2)},
            )
        outputs = ["probabilities", *(["steps"] if has_steps(subject) else [])]
        axes = {0: "batch"} if subject.exportable.width else {0: "batch", 3: "width"}
        free = {"images": axes, "widths": {0: "batch"}, "probabilities": axes_of(1), "steps": {0: "batch"}}
        widths = torch.tensor([images.shape[3], images.shape[3] - 3])
        return Graph(module, {"images": images, "widths": widths}, outputs, free)

    def open(self, subject: Subject, folder: Path) -> Engine:
        """Return onnxruntime with the file."""
        return OrtEngine(subject, folder / MODEL)


class OrtEngine(Engine):
    """Runs an ONNX file of our own form."""

    title = Session.title

    def __init__(self, subject: Subject, path: Path) -> None:
        self.subject, self.session = subject, Session(path)

    def outputs(self, images: np.ndarray, widths: np.ndarray | None) -> dict[str, np.ndarray]:
        """Return what `decode` takes."""
        return decodable(self.subject, self.session(images=images, widths=widths))


def decodable(subject: Subject, outputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the outputs of our own form as the model's `decode` takes them."""
    found = outputs["probabilities"]
    if subject.reads:
        found = np.log(np.maximum(found, TINY))
    named = {subject.exportable.output: found}
    return {**named, "steps": outputs["steps"]} if "steps" in outputs else named


def has_steps(subject: Subject) -> bool:
    """Return whether a recognizer is decoded with CTC."""
    return subject.exportable.kind is OutputKind.ctc


def example_images(subject: Subject, count: int = 2) -> torch.Tensor:
    """Return images to trace with: uint8, (2, 3, height, width). Their batch is not 1, which is special."""
    if not subject.reads:
        return torch.randint(0, 256, (count, 3, 64, 96), dtype=torch.uint8)
    height = subject.model.size(1, 1)[0]
    stride = subject.model.stride
    widest = subject.model.size(1, 10_000)[1] // stride * stride
    width = subject.exportable.width or min(24 * stride, widest)
    return torch.randint(0, 256, (count, 3, height, width), dtype=torch.uint8)


def axes_of(*axes: int) -> dict[int, str]:
    """Return names for the batch and other free axes of an output."""
    return {0: "batch", **{axis: f"axis{axis}" for axis in axes}}
