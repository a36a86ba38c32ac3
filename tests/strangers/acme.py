"""What the stranger's plugins build. Every fault that the suites must find can be switched on by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from acme_plugin import AcmeLoggerConfig, DatasetConfig, ModelConfig
from lightning.pytorch.loggers import Logger
from torch import Tensor, nn

from ocr_trainer.data.types import Detections, Sample
from ocr_trainer.plugin import Context
from ocr_trainer.tasks.detection import Detector

# The dataset


def _set(name: str, make: Callable[[Sample], Any]) -> Callable[[Sample], None]:
    return lambda sample: setattr(sample, name, make(sample))


def _polygon(make: Callable[[np.ndarray], Any]) -> Callable[[Sample], None]:
    return _set("polygons", lambda sample: [make(sample.polygons[0])])


FAULTS: dict[str, Callable[[Sample], None]] = {
    "float image": _set("image", lambda s: s.image / 255),
    "gray image": _set("image", lambda s: s.image[..., 0].copy()),
    "view": _set("image", lambda s: s.image[:, ::-1]),
    "no texts": _set("texts", lambda _: [None]),
    "no source": _set("source", lambda _: ""),
    "only ignored": _set("ignore", lambda _: np.ones(1, dtype=bool)),
    "float64": _polygon(lambda p: p.astype(np.float64)),
    "two points": _polygon(lambda p: p[:2]),
    "nan": _polygon(lambda p: p * np.float32("nan")),
    "closed": _polygon(lambda p: np.concatenate([p, p[:1]])),
    "outside": _polygon(lambda p: p + np.float32(1000)),
    "shares": _polygon(lambda p: p / np.float32(64)),
    "random": _polygon(lambda p: p + np.random.default_rng().random(2, dtype=np.float32)),
}


class Split(Sequence[Sample]):
    """Pages of noise with one box each."""

    def __init__(self, name: str, length: int, fault: str) -> None:
        self.name, self.length, self.fault = name, length, fault
        self.endless = name == "train"
        self.kept: dict[int, Sample] = {}
        self.files = [Path(f"{name}/{index}") for index in range(length + (fault == "a file too many"))]
        if fault == "no pickle":
            self.open = lambda: None

    def __len__(self) -> int:
        self.length += self.fault == "growing"
        return self.length

    def __getitem__(self, index: int) -> Sample:
        if index >= self.length and not self.endless and self.fault != "no end":
            raise IndexError(index)
        if self.fault == "kept" and index in self.kept:
            return self.kept[index]
        source, seed = f"{self.name}/{index}", [ord(self.name[1]), index]
        if self.fault == "same pixels":
            seed = [0, index]
        if self.fault == "repeating":
            source, seed = f"{self.name}/{index % self.length}", [0, index % self.length]
        if self.fault == "same files" and self.name != "train":
            source = f"train/{index}"
        rng = np.random.default_rng(seed)
        image = rng.integers(256, size=(48, 64, 3), dtype=np.uint8)
        box = np.array([[8, 8], [56, 8], [56, 40], [8, 40]], dtype=np.float32)
        sample = Sample(image, [box], ["box"], np.zeros(1, dtype=bool), source)
        if self.fault in FAULTS:
            FAULTS[self.fault](sample)
        self.kept[index] = sample
        return {"image": image} if self.fault == "a dict" else sample  # type: ignore[return-value]


class Dataset:
    def __init__(self, config: DatasetConfig, context: Context) -> None:
        fault, data_report = config.fault, context.data_report
        self.train = None if fault == "no train" else Split("train", 3, fault)
        self.val = Split("val", 0 if fault == "empty" else 2, fault)
        if fault != "no test":
            self.test = None
        data_report.read(images=5, labels=0 if fault == "more skipped than met" else 1)
        data_report.skip_label("train/0", 1, " " if fault == "no reason" else "no number")


# The model


def make_model(config: ModelConfig, _context: Context) -> nn.Module:
    if config.fault == "no detector":
        return nn.Linear(1, 1)
    model = Model(config.fault)
    if config.fault == "a width of its own":
        model.idle = nn.Linear(1, 2 if config.wide else 1)
    return model


class Model(Detector):
    """One convolution that tells dark from light, and boxes around what is dark."""

    stride = 8

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault = fault
        self.net = nn.Conv2d(3, 1, 1)
        self.idle = nn.Linear(1, 1) if fault == "idle weights" else nn.Identity()
        self.bias = torch.rand(1).item() if fault == "hidden state" else 0.0
        if fault == "no pickle":
            self.hook = lambda: None
        if fault == "no stride":
            self.stride = 0  # type: ignore[misc]
        self.requires_grad_(fault != "frozen")

    def scale(self, height: int, width: int) -> float:
        return math.inf if self.fault == "no scale" and min(height, width) == 1 else 1.0

    def encode(self, sample: Sample) -> dict[str, np.ndarray]:
        mask = np.zeros(sample.image.shape[:2], dtype=np.uint8)
        cared = [p for p, ignored in zip(sample.polygons, sample.ignore, strict=True) if not ignored]
        for polygon in cared:
            cv2.fillPoly(mask, [np.rint(polygon).astype(np.int32)], 1)
        targets: dict[str, Any] = {"mask": mask}
        if self.fault == "a target per text":
            targets["areas"] = np.array([cv2.contourArea(polygon) for polygon in cared], dtype=np.float32)
        elif self.fault == "nan target":
            targets["mean"] = np.full(1, 0.0 if cared else math.nan)
        elif self.fault == "tensor target":
            targets["mask"] = torch.from_numpy(mask)
        elif self.fault == "changes samples":
            sample.image[0] = 0
        elif self.fault == "random target":
            targets["mask"] = mask ^ np.random.default_rng().integers(2, size=mask.shape, dtype=np.uint8)
        return targets

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        x = (images.float() - 128) / 4
        if self.fault == "changes images":
            images.zero_()
        if self.fault == "dropout":
            x = nn.functional.dropout(x, 0.5)
        logits = self.net(x).squeeze(1) + self.bias
        return logits if self.fault == "a tensor" else {"logits": logits}  # type: ignore[return-value]

    def loss(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> dict[str, Tensor]:
        mask = targets["mask"].float()
        entropy = nn.functional.binary_cross_entropy_with_logits(outputs["logits"], mask, reduction="none")
        if self.fault == "loss of text alone":
            return {"text": (entropy * mask).sum() / mask.sum()}
        if self.fault == "no loss":
            return {}
        return {"mask": entropy if self.fault == "a loss per pixel" else entropy.mean()}

    def decode(self, outputs: dict[str, Tensor], sizes: list[tuple[int, int]]) -> list[Detections]:
        found = [
            self._boxes(logits, size) for logits, size in zip(outputs["logits"].cpu(), sizes, strict=True)
        ]
        return found[1:] if self.fault == "one too few" else found

    def _boxes(self, logits: Tensor, size: tuple[int, int]) -> Detections:
        height, width = logits.shape if self.fault == "finds padding" else size
        dark = (logits[:height, :width] > 0).byte().numpy()
        boxes = [
            cv2.boundingRect(c) for c in cv2.findContours(dark, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)[0]
        ]
        dtype = np.float64 if self.fault == "float64" else np.float32
        corners = [
            np.array([(x, y), (x + w, y), (x + w, y + h), (x, y + h)], dtype=dtype)
            for x, y, w, h in boxes
            if w * h > 16
        ]
        if self.fault == "x is y":
            corners = [np.minimum(box[:, ::-1], (width, height)).astype(dtype) for box in corners]
        if self.fault == "two points":
            corners = [box[:2] for box in corners]
        if self.fault == "closed box of three numbers":
            corners = [np.pad(box, [(0, 0), (0, 1)]) for box in corners]
        scores = np.full(len(corners), 100 if self.fault == "per cent" else 1, dtype=np.float32)
        return Detections(corners, scores[1:] if self.fault == "a score too few" else scores)


# The logger


def make_logger(config: AcmeLoggerConfig, context: Context) -> Any:
    return object() if config.fault == "no logger" else Lines(config.fault, context.folder)


class Lines(Logger):
    """Writes lines."""

    version: Any = 0

    def __init__(self, fault: str, folder: Path) -> None:
        self.fault, self.folder, self.lines = fault, folder, 0
        if fault == "no version":
            self.version = None, None

    @property
    def name(self) -> Any:
        return 1 if self.fault == "a number for a name" else "lines"

    @property
    def save_dir(self) -> str:
        return "elsewhere" if self.fault == "saves elsewhere" else str(self.folder)

    def log_hyperparams(self, params: dict[str, Any]) -> None:
        if self.fault == "flat only" and "nested" in params:
            raise ValueError(f"{params} is nested")

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        if self.fault == "numbers only" and not all(map(math.isfinite, metrics.values())):
            raise ValueError(f"{metrics} at step {step}")
        if self.fault == "closed for good" and self.lines < 0:
            raise ValueError("I/O operation on closed file")
        if self.fault == "never resumed" and self.lines == 0 and (self.folder / "lines.txt").exists():
            raise ValueError("lines.txt is there already")
        self.lines += 1
        place = Path() if self.fault == "writes here" else self.folder
        with (place / "lines.txt").open("a", encoding="utf-8") as file:
            file.write(f"{step}: {metrics}\n")

    def log_image(self, key: str, images: list[np.ndarray], step: int, **caption: Any) -> None:
        if self.fault == "no captions" and caption:
            raise TypeError("log_image() got an unexpected keyword argument 'caption'")
        if self.fault == "paints":
            images[0][:] = 255

    def finalize(self, status: str) -> None:
        if self.fault == "bad loser" and status != "success":
            raise RuntimeError("nothing to finish")
        self.lines = -1
