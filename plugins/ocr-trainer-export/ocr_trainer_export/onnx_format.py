"""The exporter `onnx`: uint8 RGB in, probabilities out."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ocr_trainer.exporting.exporter import BATCHES, Engine, Exporter, Subject
from ocr_trainer.exporting.gate import run_gate
from ocr_trainer.exporting.metadata import KEY, dump
from ocr_trainer.exporting.samples import Item, batches, items, stack
from ocr_trainer.metrics.collection import MetricCollection
from ocr_trainer.tasks.exportable import OutputKind
from ocr_trainer_export.graph import Graph, Session, write_onnx
from ocr_trainer_export.plugin import OnnxConfig
from ocr_trainer_export.wrappers import TINY, Probabilities
from ocr_trainer_runtime.metadata import charset_fault

MODEL, INT8 = "model.onnx", "model.int8.onnx"
EXAMPLES = Path(__file__).with_name("examples")


class OnnxExporter(Exporter):
    """Writes ONNX files of our own form."""

    gated_options = ("int8",)

    def refusal(self, subject: Subject) -> str | None:
        """Refuse charsets that the runtime refuses."""
        fault = charset_fault(subject.charset) if subject.reads and subject.charset else None
        return None if fault is None else f"it has a charset {fault}"

    def write(self, subject: Subject, folder: Path) -> None:
        """Write `model.onnx` and `example.py`."""
        write_onnx(self.graph(subject), folder / MODEL, {KEY: dump(subject.metadata)})
        shutil.copyfile(EXAMPLES / "onnx.py", folder / "example.py")

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

    def finish(
        self, subject: Subject, folder: Path, samples: Sequence[Any], metrics: MetricCollection
    ) -> list[str]:
        """With `int8`, add `model.int8.onnx` if it is faster and loses little; return a note in any case."""
        if not isinstance(self.config, OnnxConfig) or not self.config.int8:
            return []
        from ocr_trainer_export.int8 import cost, quantize, seconds, why_not

        path, engine = folder / INT8, OrtEngine(subject, folder / MODEL)
        found = items(subject, samples, 1.0, engine)
        batches_ = [feed(subject, batch, engine) for batch in batches(found, BATCHES[-1])]
        # Half of the batches set the ranges of activations; all are scored.
        quantize(folder / MODEL, path, batches_[::2])
        verdict = run_gate(subject, OrtEngine(subject, path), samples, metrics, sizes=(1.0,))
        loss, before, after = cost(subject, verdict), *(seconds(p, batches_) for p in (folder / MODEL, path))
        if (reason := why_not(loss, before, after)) is not None:
            path.unlink()
            return [f"int8 is not written: {reason}"]
        return [f"int8 costs {100 * max(loss, 0):.2f} points and takes {after / before:.0%} of the time"]


def feed(subject: Subject, batch: Sequence[Item], engine: OrtEngine) -> dict[str, np.ndarray]:
    """Return a batch as the inputs of a file."""
    inputs = stack(subject, batch, engine)
    widths = None if inputs.widths is None else inputs.widths.numpy()
    return engine.session.accepted(images=inputs.images.numpy(), widths=widths)


class OrtEngine(Engine):
    """Runs an ONNX file of our own form."""

    title = Session.title

    def __init__(self, subject: Subject, path: Path) -> None:
        self.subject, self.session = subject, Session(path)

    def outputs(self, images: np.ndarray, widths: np.ndarray | None) -> dict[str, np.ndarray]:
        """Return the outputs that `decode` takes."""
        return decodable(self.subject, self.session(images=images, widths=widths))


def decodable(subject: Subject, outputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the outputs of our own form as the model's `decode` takes them."""
    found = outputs["probabilities"]
    if subject.reads:
        found = logarithms(found)
    named = {subject.exportable.output: found}
    return {**named, "steps": outputs["steps"]} if "steps" in outputs else named


def logarithms(probabilities: np.ndarray) -> np.ndarray:
    """Return the logarithms of probabilities, those of 0 too."""
    found: np.ndarray = np.maximum(probabilities, TINY)
    np.log(found, out=found)
    return found


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
