"""A detector that learns nothing: what is dark is text."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from ocr_trainer.data.types import Detections, Sample
from ocr_trainer.tasks.detection import Detector


class DarkRegions(Detector):
    """Finds dark regions that are at least `least` pixels high, as a trained detector finds no smaller texts.

    Args:
        short: Length of the short side that pages are resized to, in pixels.
        longest: Longest side after resizing, in pixels.
        least: The least height of a region, in pixels.
    """

    def __init__(self, short: int = 96, longest: int = 336, least: int = 6) -> None:
        super().__init__()
        self.short, self.longest, self.least = short, longest, least
        self.weight = nn.Parameter(torch.ones(1))
        self.seen: list[tuple[int, ...]] = []
        """The shapes of the images that the network saw."""

    def scale(self, height: int, width: int) -> float:
        return min(self.short / min(height, width), self.longest / max(height, width))

    def encode(self, sample: Sample) -> dict[str, np.ndarray]:
        return {"none": np.zeros(1, np.float32)}

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        self.seen.append(tuple(images.shape))
        return {"dark": 1 - images.float().mean(dim=1) / 255 * self.weight}

    def loss(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"none": outputs["dark"].mean()}

    def decode(self, outputs: dict[str, Tensor], sizes: list[tuple[int, int]]) -> list[Detections]:
        return [
            self._regions(dark[:height, :width].numpy())
            for dark, (height, width) in zip(outputs["dark"].detach(), sizes, strict=True)
        ]

    def _regions(self, dark: np.ndarray) -> Detections:
        outlines, _ = cv2.findContours(
            (dark > 0.5).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
        )
        boxes = [cv2.boundingRect(outline) for outline in outlines]
        found = [
            np.array([(x, y), (x + w, y), (x + w, y + h), (x, y + h)], dtype=np.float32)
            for x, y, w, h in boxes
            if min(w, h) >= self.least
        ]
        return Detections(found, np.ones(len(found), dtype=np.float32))
