"""Decoding and scoring beside the model: a thread per image, while the network is at the next batch."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from ocr_trainer.data.geometry import resize_points
from ocr_trainer.data.types import Detections, GroundTruth
from ocr_trainer.tasks.detection.detector import Detector
from ocr_trainer.tasks.detection.tally import Tally, tally_image

Outputs = dict[str, Tensor]

Scored = tuple[Detections, Tally]


class Scorer:
    """Decodes and counts images as their outputs come in.

    OpenCV and shapely hold no lock while they work, so threads do run beside each other.
    """

    def __init__(self, model: Detector) -> None:
        self._model = model
        self._pool = ThreadPoolExecutor(threads(), thread_name_prefix="score")
        # Waiting images keep their outputs: so many and no more.
        self._most = 4 * threads()
        self._waiting: deque[Future[Scored]] = deque()
        self.tally = Tally()
        self.warnings: list[str] = []

    def add(self, outputs: Outputs, ground_truths: Sequence[GroundTruth]) -> list[Future[Scored]]:
        """Begin to score a batch; each result is there when its future is."""
        images = images_of(outputs, len(ground_truths))
        begun = [self._pool.submit(self._score, o, t) for o, t in zip(images, ground_truths, strict=True)]
        self._waiting.extend(begun)
        while len(self._waiting) > self._most:
            self._take()
        return begun

    def finish(self) -> Tally:
        """Wait for all images and return their counts; nothing can be added afterwards."""
        while self._waiting:
            self._take()
        self._pool.shutdown()
        return self.tally

    def _take(self) -> None:
        found, tally = self._waiting.popleft().result()
        self.tally = self.tally + tally
        self.warnings += found.warnings

    def _score(self, outputs: Outputs, truth: GroundTruth) -> Scored:
        found = decode(self._model, outputs, truth)
        found.warnings = [f"{truth.source}: {warning}" for warning in found.warnings]
        return found, tally_image(truth, found)


def decode(model: Detector, outputs: Outputs, truth: GroundTruth) -> Detections:
    """Decode the outputs for one image; polygons are in pixels of the original."""
    # The mode is a thread's own.
    with torch.inference_mode():
        (found,) = model.decode(outputs, [truth.size])
    fx, fy = truth.scale
    found.polygons = resize_points(found.polygons, 1 / fx, 1 / fy)
    return found


def threads() -> int:
    """Return how many threads may work beside the model."""
    return max(1, min(8, (os.cpu_count() or 1) // 2))


def images_of(outputs: Outputs, count: int) -> Iterator[Outputs]:
    """Yield the outputs for each image of a batch."""
    return ({name: value[n : n + 1] for name, value in outputs.items()} for n in range(count))
