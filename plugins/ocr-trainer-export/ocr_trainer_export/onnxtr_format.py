"""The exporter `onnxtr`: RGB with OnnxTR's mean and deviation in, logits out. OnnxTR 0.9, by its source.

Its sizes are fixed: pages of 1024 x 1024, texts of 32 x 128. With CTC the blank comes last; PARSeq's classes
are the characters, the end, and two more that never win.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ocr_trainer.data.types import Image
from ocr_trainer.errors import ExportError
from ocr_trainer.exporting.exporter import Engine, Exporter, Subject
from ocr_trainer.exporting.metadata import KEY, dump
from ocr_trainer.tasks.exportable import OutputKind
from ocr_trainer_export.characters import why_not_ctc, why_not_left_to_right
from ocr_trainer_export.graph import Graph, write_onnx
from ocr_trainer_export.onnx_format import EXAMPLES, MODEL
from ocr_trainer_export.opencv_format import METADATA
from ocr_trainer_export.wrappers import Blackened, Maps, Pixels, Positions

PAGE, TEXT = (1024, 1024), (32, 128)
"""Height and width of images."""
PAGE_NORM = (0.798, 0.785, 0.772), (0.264, 0.2749, 0.287)
TEXT_NORM = (0.694, 0.695, 0.693), (0.299, 0.296, 0.301)
"""Mean and standard deviation of OnnxTR's detectors and recognizers."""


class OnnxTrExporter(Exporter):
    """Writes a model that OnnxTR loads as `db_resnet50`, `crnn_vgg16_bn` or `parseq`."""

    def refusal(self, subject: Subject) -> str | None:
        """Refuse other sizes, and recognizers that OnnxTR cannot decode."""
        if not subject.reads:
            return None
        if subject.exportable.kind is OutputKind.ctc and (reason := why_not_ctc(subject, "OnnxTR")):
            return reason
        if (reason := why_not_left_to_right(subject, "OnnxTR")) is not None:
            return reason
        height = subject.model.size(1, 1)[0]
        if height != TEXT[0] or subject.exportable.width not in (None, TEXT[1]):
            return f"OnnxTR's images of texts are {TEXT[1]} x {TEXT[0]} pixels, those of the model are not"
        return None

    def write(self, subject: Subject, folder: Path) -> None:
        """Write `model.onnx`, `model.json` and `example.py`."""
        write_onnx(self.graph(subject), folder / MODEL, {KEY: dump(subject.metadata)})
        (folder / METADATA).write_text(dump(subject.metadata) + "\n", encoding="utf-8")
        shutil.copyfile(EXAMPLES / "onnxtr.py", folder / "example.py")

    def graph(self, subject: Subject) -> Graph:
        """Return the module to trace."""
        mean, std = TEXT_NORM if subject.reads else PAGE_NORM
        pixels, count = Pixels(mean, std), len(subject.charset)
        module: torch.nn.Module
        if not subject.reads:
            module = Maps(subject, pixels, logits=True)
        elif subject.exportable.kind is OutputKind.ctc:
            module = Blackened(subject, pixels, [*range(1, count + 1), 0])
        else:
            module = Positions(subject, pixels, [*range(1, count + 1), 0, -1, -1])
        size = TEXT if subject.reads else PAGE
        x = torch.rand(2, 3, *size)
        return Graph(module, {"input": x}, ["logits"], {name: {0: "batch"} for name in ("input", "logits")})

    def open(self, subject: Subject, folder: Path) -> Engine:
        """Return OnnxTR with the model."""
        return OnnxTrEngine(subject, folder / MODEL)


class OnnxTrEngine(Engine):
    """OnnxTR with one exported model."""

    def __init__(self, subject: Subject, path: Path) -> None:
        try:
            self.title = f"onnxtr {version('onnxtr')}"
            from onnxtr import models
        except (PackageNotFoundError, ImportError) as error:
            raise ExportError(
                "the gate runs the export with OnnxTR, which is not installed\n"
                "  pip install 'ocr-trainer-export[onnxtr]', or export with --no-gate"
            ) from error
        self.subject = subject
        self.size = TEXT if subject.reads else PAGE
        self.predictor: Any = None
        if not subject.reads:
            self.model: Any = models.db_resnet50(str(path))
            return
        ctc = subject.exportable.kind is OutputKind.ctc
        self.model = (models.crnn_vgg16_bn if ctc else models.parseq)(str(path), vocab=subject.charset)
        self.predictor = models.recognition_predictor(self.model)

    def outputs(self, images: np.ndarray, widths: np.ndarray | None) -> dict[str, np.ndarray]:
        """Run OnnxTR's session."""
        mean, std = TEXT_NORM if self.subject.reads else PAGE_NORM
        x = images.astype(np.float32) / 255
        x = (x - np.array(mean, np.float32)[:, None, None]) / np.array(std, np.float32)[:, None, None]
        found = self.model.run(x.astype(np.float32))
        name = self.subject.exportable.output
        if widths is None:
            return {name: 1 / (1 + np.exp(-found[..., 0]))}
        last = len(self.subject.charset)
        # Our class 0 is the blank or the end, which comes after the characters here.
        ours = np.concatenate([found[..., last : last + 1], found[..., :last]], axis=-1)
        return {name: ours, "steps": np.full(len(ours), ours.shape[1])}

    def read(self, images: Sequence[Image]) -> list[str]:
        """Return the texts of OnnxTR's recognizer."""
        return [text for text, _ in self.predictor(list(images))]
