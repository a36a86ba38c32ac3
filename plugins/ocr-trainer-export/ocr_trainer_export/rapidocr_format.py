"""The exporter `rapidocr`: BGR, (v / 255 - 0.5) / 0.5 in; probabilities out. RapidOCR 3.10, by its source.

A detector returns (batch, 1, height, width). A recognizer returns (batch, steps, classes): the blank, the
characters of the metadata `character`, one per line, and the space, which RapidOCR appends.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from ocr_trainer.data.types import Detections, Image
from ocr_trainer.errors import ExportError
from ocr_trainer.exporting.exporter import Engine, Exporter, Subject
from ocr_trainer.exporting.metadata import KEY, dump
from ocr_trainer_export.characters import inverse, space_last, why_not_ctc, why_not_in_lines
from ocr_trainer_export.graph import Graph, LastRun, write_onnx
from ocr_trainer_export.onnx_format import EXAMPLES, MODEL, axes_of, example_images, logarithms
from ocr_trainer_export.wrappers import Maps, Pixels, Steps

PARAMS = "params.json"
"""The parameters to pass to RapidOCR, without the path of the model."""
NAME = "RapidOCR"
WIDTH = 320
"""Pixels up to which RapidOCR pads texts by default."""


class RapidOcrExporter(Exporter):
    """Writes a model for RapidOCR."""

    def refusal(self, subject: Subject) -> str | None:
        """Refuse recognizers that RapidOCR cannot decode."""
        if not subject.reads:
            return None
        return why_not_ctc(subject, NAME) or why_not_in_lines(subject, NAME)

    def write(self, subject: Subject, folder: Path) -> None:
        """Write `model.onnx`, `params.json` and `example.py`."""
        metadata = {KEY: dump(subject.metadata)}
        if subject.reads:
            metadata["character"] = "\n".join(space_last(subject.charset)[0])
        write_onnx(self.graph(subject), folder / MODEL, metadata)
        (folder / PARAMS).write_text(json.dumps(params(subject), indent=2) + "\n", encoding="utf-8")
        shutil.copyfile(EXAMPLES / "rapidocr.py", folder / "example.py")

    def pixels(self) -> Pixels:
        """Return what undoes RapidOCR's normalization."""
        return Pixels(bgr=True)

    def order(self, subject: Subject) -> list[int]:
        """Return RapidOCR's classes as classes of the model."""
        return space_last(subject.charset)[1]

    def graph(self, subject: Subject) -> Graph:
        """Return the module to trace."""
        x = normalized(example_images(subject).numpy())
        if not subject.reads:
            free = {0: "batch", 2: "height", 3: "width"}
            maps = Maps(subject, self.pixels())
            return Graph(maps, {"x": torch.from_numpy(x)}, ["maps"], {"x": free, "maps": free})
        x[1, :, :, -9:] = 0  # padding
        axes = {"x": {0: "batch", 3: "width"}, "probabilities": axes_of(1)}
        steps = Steps(subject, self.pixels(), self.order(subject))
        return Graph(steps, {"x": torch.from_numpy(x)}, ["probabilities"], axes)

    def open(self, subject: Subject, folder: Path) -> Engine:
        """Return RapidOCR with the model."""
        return RapidOcrEngine(subject, folder)


def params(subject: Subject) -> dict[str, Any]:
    """Return RapidOCR's parameters for a model: its thresholds and sizes."""
    options, sizes = subject.exportable.postprocessing, subject.exportable.preprocessing
    if subject.reads:
        height = subject.model.size(1, 1)[0]
        return {"Rec.rec_img_shape": [3, height, WIDTH]}
    given = {
        "Det.thresh": options.get("binarize_threshold"),
        "Det.box_thresh": options.get("box_threshold"),
        "Det.max_candidates": options.get("max_candidates"),
        "Det.unclip_ratio": options.get("unclip_ratio"),
        "Det.limit_side_len": sizes.get("size"),
    }
    found = {name: value for name, value in given.items() if value is not None}
    # Its rules only enlarge ("min") or only shrink ("max").
    limit = "max" if sizes.get("side") == "long" else "min"
    return {**found, "Det.limit_type": limit, "Det.use_dilation": False}


def normalized(images: np.ndarray) -> np.ndarray:
    """Return images as RapidOCR passes them: uint8 RGB to float32 BGR, -1 to 1."""
    scaled = images[:, ::-1].astype(np.float32) / 255
    scaled -= 0.5
    scaled /= 0.5
    return scaled


class BgrEngine(Engine):
    """Software that normalizes and pads as PaddleOCR does."""

    subject: Subject
    run: Callable[[np.ndarray], np.ndarray]
    """The network: float32 images to maps, (batch, 1, height, width), or to (batch, steps, classes)."""
    shape: Sequence[int]
    """Of a recognizer: the channels, the height of texts, and the width up to which all are padded."""
    classes: np.ndarray
    """Of a recognizer: the model's classes as classes of the software."""

    def outputs(self, images: np.ndarray, widths: np.ndarray | None) -> dict[str, np.ndarray]:
        """Run the network."""
        x = normalized(images)
        name = self.subject.exportable.output
        if widths is None:
            return {name: self.run(x)[:, 0]}
        found = self.run(self.padded(x, widths))[..., self.classes]
        # All steps: those of padding are blank.
        return {name: logarithms(found), "steps": np.full(len(found), found.shape[1])}

    def padded(self, x: np.ndarray, widths: np.ndarray) -> np.ndarray:
        """Return images with the padding that the software gives them: 0, up to its least width."""
        _, height, least = self.shape
        widest = int(widths.max())
        width = max(widest, int(height * max(least / height, widest / height)))
        padded = np.zeros((*x.shape[:3], width), np.float32)
        for row, image, width in zip(padded, x, widths, strict=True):
            row[:, :, :width] = image[:, :, :width]
        return padded


class RapidOcrEngine(BgrEngine):
    """RapidOCR with one exported model."""

    def __init__(self, subject: Subject, folder: Path) -> None:
        try:
            self.title = f"rapidocr {version('rapidocr')}"
            from rapidocr import RapidOCR
        except (PackageNotFoundError, ImportError) as error:
            raise ExportError(
                "the gate runs the export with RapidOCR, which is not installed\n"
                "  pip install 'ocr-trainer-export[rapidocr]', or export with --no-gate"
            ) from error
        self.subject = subject
        part = "Rec" if subject.reads else "Det"
        given = {**params(subject), f"{part}.model_path": str(folder / MODEL), "Global.log_level": "critical"}
        if subject.reads:
            engine: Any = RapidOCR(params=given)
            self.part = engine._load_rec_model()
            self.part.session = LastRun(self.part.session)
            self.shape = self.part.rec_image_shape
            self.classes = inverse(space_last(subject.charset)[1], len(subject.charset) + 1)
        else:
            # What the gate passes has the model's size already.
            engine = RapidOCR(params={**given, "Det.limit_side_len": 32})
            self.part = engine._load_det_model()
        self.run = self.part.session

    def read(self, images: Sequence[Image]) -> list[str]:
        """Return the texts of RapidOCR's recognizer."""
        from rapidocr.ch_ppocr_rec import TextRecInput

        self.part.rec_batch_num = len(images)
        bgr = [cv2.cvtColor(image, cv2.COLOR_RGB2BGR) for image in images]
        return list(self.part(TextRecInput(img=bgr)).txts)

    def find(self, image: Image) -> Detections:
        """Return the boxes of RapidOCR's detector."""
        found = self.part(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        if found.boxes is None:
            return Detections([], np.zeros(0, np.float32))
        boxes = [np.asarray(box, np.float32) for box in found.boxes]
        return Detections(boxes, np.asarray(found.scores, np.float32))
