"""The exporter `paddlex`: a folder with `inference.onnx` and `inference.yml`. PaddleX 3.7, tested.

The tensors are those that RapidOCR takes. `inference.yml` says how images become tensors, and holds the
characters; PaddleX puts the blank before them and the space behind.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from ocr_trainer.data.types import Detections, Image
from ocr_trainer.exporting.exporter import Engine, Subject
from ocr_trainer.exporting.metadata import KEY, dump
from ocr_trainer_export.characters import inverse, space_last, why_not_ctc
from ocr_trainer_export.graph import LastRun, Session, write_onnx
from ocr_trainer_export.onnx_format import EXAMPLES
from ocr_trainer_export.paddlex_process import PaddleX
from ocr_trainer_export.plugin import PaddleXConfig
from ocr_trainer_export.rapidocr_format import WIDTH, BgrEngine, RapidOcrExporter, normalized

MODEL, RULES, OPTIONS = "inference.onnx", "inference.yml", "params.json"
NAMES = {True: "PP-OCRv6_small_rec", False: "PP-OCRv6_small_det"}
"""PaddleX builds only models whose names it knows; the file determines what they do."""


class PaddleXExporter(RapidOcrExporter):
    """Writes a model for PaddleX and PaddleOCR with onnxruntime."""

    def refusal(self, subject: Subject) -> str | None:
        """Refuse recognizers that PaddleX cannot decode."""
        return why_not_ctc(subject, "PaddleX") if subject.reads else None

    def write(self, subject: Subject, folder: Path) -> None:
        """Write `inference.onnx`, `inference.yml`, `params.json` and `example.py`."""
        write_onnx(self.graph(subject), folder / MODEL, {KEY: dump(subject.metadata)})
        text = yaml.safe_dump(rules(subject), allow_unicode=True, sort_keys=False)
        (folder / RULES).write_text(text, encoding="utf-8")
        (folder / OPTIONS).write_text(json.dumps(limits(subject), indent=2) + "\n", encoding="utf-8")
        shutil.copyfile(EXAMPLES / "paddlex.py", folder / "example.py")

    def open(self, subject: Subject, folder: Path) -> Engine:
        """Return PaddleX if the option `python` is set; otherwise an engine that reads its files."""
        assert isinstance(self.config, PaddleXConfig)
        if self.config.python is None:
            return FileEngine(subject, folder)
        return PaddleXEngine(subject, folder, self.config.python)


def rules(subject: Subject) -> dict[str, Any]:
    """Return the content of `inference.yml`."""
    decode: dict[str, Any] = {"DecodeImage": {"channel_first": False, "img_mode": "BGR"}}
    if subject.reads:
        resize = {"RecResizeImg": {"image_shape": [3, subject.model.size(1, 1)[0], WIDTH]}}
        steps = [decode, resize]
        after: dict[str, Any] = {
            "name": "CTCLabelDecode",
            "character_dict": list(space_last(subject.charset)[0]),
        }
    else:
        half = [0.5, 0.5, 0.5]
        resize = {"DetResizeForTest": {"resize_long": limits(subject)["limit_side_len"]}}
        scaled = {"NormalizeImage": {"mean": half, "std": half, "scale": 1 / 255, "order": "hwc"}}
        steps = [decode, resize, scaled, {"ToCHWImage": None}]
        options = subject.exportable.postprocessing
        after = {
            "name": "DBPostProcess",
            "thresh": options.get("binarize_threshold", 0.3),
            "box_thresh": options.get("box_threshold", 0.6),
            "max_candidates": options.get("max_candidates", 1000),
            "unclip_ratio": options.get("unclip_ratio") or 2.0,
        }
    return {
        "Global": {"model_name": NAMES[subject.reads]},
        "PreProcess": {"transform_ops": steps},
        "PostProcess": after,
    }


def limits(subject: Subject) -> dict[str, Any]:
    """Return the limits for resizing pages, which PaddleX takes only as arguments."""
    if subject.reads:
        return {}
    sizes = subject.exportable.preprocessing
    # Its rules only enlarge ("min") or only shrink ("max").
    return {
        "limit_side_len": sizes.get("size") or 736,
        "limit_type": "max" if sizes.get("side") == "long" else "min",
        "max_side_limit": sizes.get("max_side") or 4000,
    }


class FileEngine(BgrEngine):
    """Follows `inference.yml` by the rules of PaddleX."""

    def __init__(self, subject: Subject, folder: Path) -> None:
        self.title = f"a reader of PaddleX's files with {Session.title}; PaddleX itself did not run"
        rules = yaml.safe_load((folder / RULES).read_text(encoding="utf-8"))
        session = Session(folder / MODEL)
        self.run = LastRun(lambda x: next(iter(session(**{session.inputs[0]: x}).values())))
        self.subject = subject
        steps = {name: given for step in rules["PreProcess"]["transform_ops"] for name, given in step.items()}
        assert steps["DecodeImage"]["img_mode"] == "BGR"
        if subject.reads:
            self.shape = steps["RecResizeImg"]["image_shape"]
            self.characters = ["", *rules["PostProcess"]["character_dict"], " "]
            self.classes = inverse(space_last(subject.charset)[1], len(subject.charset) + 1)

    def read(self, images: Sequence[Image]) -> list[str]:
        """Return the texts by the rules of CTCLabelDecode."""
        _, height, _ = self.shape
        lines = [cv2.resize(image, (image.shape[1], height)) for image in images]
        stacked = np.zeros((len(lines), 3, height, max(line.shape[1] for line in lines)), np.uint8)
        for row, line in zip(stacked, lines, strict=True):
            row[:, :, : line.shape[1]] = line.transpose(2, 0, 1)
        widths = np.array([line.shape[1] for line in lines])
        best = self.run(self.padded(normalized(stacked), widths)).argmax(-1)
        first = np.diff(best, axis=1, prepend=-1) != 0
        return [
            "".join(self.characters[key] for key in path[kept])
            for path, kept in zip(best, first, strict=True)
        ]


class PaddleXEngine(BgrEngine):
    """PaddleX in a separate process: it needs other versions of OpenCV and NumPy."""

    def __init__(self, subject: Subject, folder: Path, python: Path) -> None:
        self.process = PaddleX(python, NAMES[subject.reads], folder)
        self.title = f"paddlex {self.process.version}"
        self.subject, self.run = subject, LastRun(self.process.run)
        self.shape = (3, 0, 0)
        if subject.reads:
            self.shape = (3, subject.model.size(1, 1)[0], WIDTH)
            self.classes = inverse(space_last(subject.charset)[1], len(subject.charset) + 1)

    def read(self, images: Sequence[Image]) -> list[str]:
        """Return the texts of PaddleX's recognizer."""
        return self.process.read([cv2.cvtColor(image, cv2.COLOR_RGB2BGR) for image in images])

    def find(self, image: Image) -> Detections:
        """Return the boxes of PaddleX's detector."""
        boxes, scores = self.process.find(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        return Detections([np.asarray(box, np.float32) for box in boxes], np.asarray(scores, np.float32))
