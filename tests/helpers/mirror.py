"""Pages whose pixels are the probability map: a detector without a network, for what comes after one."""

from __future__ import annotations

import cv2
import numpy as np
from ocr_trainer_dbnet.model import DBNet
from ocr_trainer_dbnet.targets import shrink
from torch import Tensor

from ocr_trainer.config.compose import compose
from ocr_trainer.data.types import Sample
from ocr_trainer.plugin import Context, Task

RUN = compose(
    [
        "model=dbnet",
        "model.neck_channels=8",
        "model.backbone.width=8",
        "model.side=none",
        "data.num_workers=0",
        "data.batch_size=2",
    ]
)


class Mirror(DBNet):
    """Takes the brightness of a pixel for the probability that it is text."""

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"probability": images[:, 0].float() / 255}


def mirror(*overrides: str) -> Mirror:
    run = compose(
        ["model=dbnet", "model.neck_channels=8", "model.backbone.width=8", "model.side=none", *overrides]
    )
    return Mirror(run.model, Context(task=Task.detection)).eval()


def box(left: float, top: float, width: float, height: float) -> np.ndarray:
    right, bottom = left + width, top + height
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)


def page(
    texts: dict[str, tuple[np.ndarray, float]], size: tuple[int, int] = (128, 256), spots: float = 0.0
) -> Sample:
    """Draw the kernel of each text at the brightness given, and a spot that is no text."""
    image = np.zeros((*size, 3), np.uint8)
    for polygon, brightness in texts.values():
        pieces, _ = shrink(polygon, RUN.model)
        cv2.fillPoly(
            image, [np.rint(piece).astype(np.int32) for piece in pieces], (round(255 * brightness),) * 3
        )
    if spots:
        cv2.rectangle(image, (20, 100), (80, 115), (round(255 * spots),) * 3, cv2.FILLED)
    return Sample(image, [p for p, _ in texts.values()], list(texts), np.zeros(len(texts), bool), "a page")
