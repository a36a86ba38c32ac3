"""Decode and score images in threads while the network runs on the next batch."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from ocr_trainer.data.types import Batch, Detections, GroundTruth
from ocr_trainer.metrics.collection import MetricCollection
from ocr_trainer.tasks.detection.detector import Detector
from ocr_trainer_runtime.detection.tiles import BORDER, merge
from ocr_trainer_runtime.geometry import resize_points

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
        images = images_of(outputs, ground_truths)
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


def run_network(model: Detector, batch: Batch, images: Tensor | None = None) -> Outputs:
    """Return the outputs of a batch for scoring; of tiles one by one, so that memory is bounded.

    Args:
        model: The detector.
        batch: The batch.
        images: The images of the batch on the model's device, if they are not there yet.
    """
    images = batch.images if images is None else images
    if all(truth.tiling is None for truth in batch.ground_truths):
        outputs: Outputs = model(images)
        return outputs
    parts: list[Outputs] = [model(image[None]) for image in images]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def decode(model: Detector, outputs: Outputs, truth: GroundTruth) -> Detections:
    """Decode the outputs for one page; polygons are in pixels of the original image."""
    # Inference mode is thread-local: the mode of the main thread does not apply here.
    with torch.inference_mode():
        found = model.decode(outputs, [truth.tile_size] * truth.tiles)
    fx, fy = truth.scale
    for tile in found:
        tile.polygons = resize_points(tile.polygons, 1 / fx, 1 / fy)
    return found[0] if truth.tiling is None else merge(truth.tiling, found, BORDER / min(fx, fy))


def threads() -> int:
    """Return how many threads decode and score."""
    return max(1, min(8, (os.cpu_count() or 1) // 2))


def images_of(outputs: Outputs, ground_truths: Sequence[GroundTruth]) -> Iterator[Outputs]:
    """Yield the outputs for each page of a batch: of one image, or of its tiles."""
    for part in page_slices(ground_truths):
        yield {name: value[part] for name, value in outputs.items()}


def page_slices(ground_truths: Sequence[GroundTruth]) -> Iterator[slice]:
    """Yield which images of a batch are those of each page."""
    start = 0
    for truth in ground_truths:
        yield slice(start, start + truth.tiles)
        start += truth.tiles
