"""Decode and score images in threads while the network runs on the next batch."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from ocr_trainer.data.geometry import resize_points
from ocr_trainer.data.types import Detections, GroundTruth
from ocr_trainer.metrics.collection import MetricCollection
from ocr_trainer.tasks.detection.detector import Detector

Outputs = dict[str, Tensor]
"""The outputs of `Detector.forward`, by name; the first axis is the batch."""

Scored = tuple[Detections, MetricCollection]
"""The detections of an image, in its own pixels, and the metrics that counted them."""


class Scorer:
    """Decodes and counts images in threads as their outputs arrive.

    OpenCV and shapely release the GIL, so the threads run in parallel.

    Args:
        model: The detector.
        metrics: Metrics that have counted nothing. They stay so: images are counted in copies.
    """

    def __init__(self, model: Detector, metrics: MetricCollection) -> None:
        self._model, self._metrics = model, metrics
        self._pool = ThreadPoolExecutor(threads(), thread_name_prefix="score")
        # Waiting images hold their outputs in (GPU) memory, so their number is limited.
        self._max_waiting = 4 * threads()
        self._waiting: deque[Future[Scored]] = deque()
        self.metrics = metrics.copy()
        """The metrics of all images."""
        self.warnings: list[str] = []

    def add(self, outputs: Outputs, ground_truths: Sequence[GroundTruth]) -> list[Future[Scored]]:
        """Start scoring a batch and return one future per image."""
        images = images_of(outputs, len(ground_truths))
        futures = [self._pool.submit(self._score, o, t) for o, t in zip(images, ground_truths, strict=True)]
        self._waiting.extend(futures)
        while len(self._waiting) > self._max_waiting:
            self._take()
        return futures

    def finish(self) -> MetricCollection:
        """Wait for all images and return their metrics. Nothing can be added afterwards."""
        while self._waiting:
            self._take()
        self._pool.shutdown()
        return self.metrics

    def _take(self) -> None:
        found, metrics = self._waiting.popleft().result()
        self.metrics.merge(metrics)
        self.warnings += found.warnings

    def _score(self, outputs: Outputs, truth: GroundTruth) -> Scored:
        found = decode(self._model, outputs, truth)
        found.warnings = [f"{truth.source}: {warning}" for warning in found.warnings]
        metrics = self._metrics.copy()
        metrics.update(found, truth)
        return found, metrics


def decode(model: Detector, outputs: Outputs, truth: GroundTruth) -> Detections:
    """Decode the outputs for one image; polygons are in pixels of the original image."""
    # Inference mode is thread-local: the mode of the main thread does not apply here.
    with torch.inference_mode():
        (found,) = model.decode(outputs, [truth.size])
    fx, fy = truth.scale
    found.polygons = resize_points(found.polygons, 1 / fx, 1 / fy)
    return found


def threads() -> int:
    """Return how many threads decode and score."""
    return max(1, min(8, (os.cpu_count() or 1) // 2))


def images_of(outputs: Outputs, count: int) -> Iterator[Outputs]:
    """Yield the outputs for each image of a batch."""
    return ({name: value[n : n + 1] for name, value in outputs.items()} for n in range(count))
