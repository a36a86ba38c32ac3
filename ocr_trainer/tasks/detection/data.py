"""Data loaders for detection: from a dataset's splits to batches of images and targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from ocr_trainer.config.context import run_context
from ocr_trainer.data.loader import NO_IMAGES, KeyedSampler, Loader, ScoringSet, TrainingSet, make_loader
from ocr_trainer.data.split import Split, subsample
from ocr_trainer.data.types import Batch, GroundTruth, Image, Sample
from ocr_trainer.errors import DataError
from ocr_trainer.plugin import Context, SkippedItem
from ocr_trainer.tasks.detection.config import DetectionConfig, TilesConfig
from ocr_trainer.tasks.detection.detector import Detector
from ocr_trainer.tasks.detection.heights import count_heights
from ocr_trainer_runtime.detection.fit import fit
from ocr_trainer_runtime.detection.fit import pad as pad_arrays
from ocr_trainer_runtime.detection.tiles import Scaled, plan
from ocr_trainer_runtime.options import TilesRule

BATCH_SIZE, EVAL_BATCH_SIZE = 4, 1
"""Defaults of `data.batch_size` and `data.eval_batch_size`."""


@dataclass(slots=True)
class Encoded:
    """A training sample. `image` is None if no sample could be used in its place."""

    image: Image | None = None
    targets: dict[str, np.ndarray] = field(default_factory=dict)
    texts: int = 0
    heights: np.ndarray | None = None
    source: str = ""
    skipped: list[SkippedItem] = field(default_factory=list)


class DetectionSet(TrainingSet[Encoded]):
    """Augmented samples of a split, with their targets."""

    make_empty = Encoded

    def __init__(
        self, split: Split[Sample], model: Detector, run: DetectionConfig, context: Context | None = None
    ) -> None:
        from ocr_trainer.data.augmentation import Steps
        from ocr_trainer.tasks.detection.augment import Augmenter

        super().__init__(split, run.seed)
        self.model = model
        steps = Steps.build(run.augment.steps, context or run_context(run, Path()), split)
        self.augment = Augmenter(run.augment, model.scale, steps)

    def encode(self, sample: Sample, rng: np.random.Generator) -> Encoded:
        """Return an augmented crop and its targets."""
        sample = self.augment(sample, rng)
        texts = int(np.count_nonzero(~sample.ignore))
        counts = count_heights(sample.polygons, sample.ignore)
        return Encoded(sample.image, self.model.encode(sample), texts, counts, sample.source)


Scored = tuple[Image, GroundTruth, list[SkippedItem]] | SkippedItem


class DetectionScoringSet(ScoringSet):
    """Images of a split at the model's scale, with their labels."""

    def __init__(self, split: Split[Sample], model: Detector, tiles: TilesConfig | None = None) -> None:
        super().__init__(split, model)
        self.tiles = tiles or TilesConfig()

    def prepare(self, sample: Sample) -> tuple[Image, GroundTruth]:
        """Return the resized image, or the tiles of a long page, and the labels in the original's pixels."""
        return prepare_page(sample, self.model, self.tiles)


def prepare_page(sample: Sample, model: Scaled, config: TilesRule) -> tuple[Image, GroundTruth]:
    """Return a page as the model sees it, and its labels in pixels of the original image.

    Returns:
        uint8, (height, width, 3), or (tiles, height, width, 3) for a long page; and the labels.
    """
    height, width = sample.image.shape[:2]
    tiling = plan(model, height, width, config)
    if tiling is None:
        image, scale = fit(sample.image, model)
        size = (image.shape[0], image.shape[1])
    else:
        parts, scales = zip(*(fit(tile, model) for tile in tiling.cut(sample.image)), strict=True)
        image, scale = np.stack(parts), scales[0]
        size = (round(height * scale[1]), round(width * scale[0]))
    labels = (sample.polygons, sample.texts, sample.ignore, sample.source)
    return image, GroundTruth(*labels, size, scale, tiling)


def pad(images: Sequence[Image], stride: int) -> torch.Tensor:
    """Return images as `ocr_trainer_runtime.detection.fit.pad` does, as a tensor."""
    return torch.from_numpy(pad_arrays(images, stride))


def collate_training(items: Sequence[Encoded]) -> Batch:
    """Stack images and targets. The batch has no images if none could be used."""
    skipped = [entry for item in items for entry in item.skipped]
    usable = [item for item in items if item.image is not None]
    if not usable:
        return Batch(NO_IMAGES, {}, skipped=skipped)
    images = np.stack([item.image for item in usable if item.image is not None]).transpose(0, 3, 1, 2)
    targets = {
        name: torch.from_numpy(np.stack([item.targets[name] for item in usable]))
        for name in usable[0].targets
    }
    return Batch(
        torch.from_numpy(np.ascontiguousarray(images)),
        targets,
        texts=sum(item.texts for item in usable),
        skipped=skipped,
        sources=[item.source for item in usable],
        heights=np.sum([item.heights for item in usable if item.heights is not None], axis=0),
    )


class ScoringCollate:
    """Pads and stacks images, with their labels.

    Args:
        stride: Heights and widths are padded to a multiple of this, in pixels.
    """

    def __init__(self, stride: int) -> None:
        self.stride = stride

    def __call__(self, items: Sequence[Scored]) -> Batch:
        """Return a batch. It has no images if none could be read."""
        skipped = [item for item in items if isinstance(item, SkippedItem)]
        usable = [item for item in items if not isinstance(item, SkippedItem)]
        skipped += [entry for _, _, entries in usable for entry in entries]
        parts = [part for image, _, _ in usable for part in (image if image.ndim == 4 else [image])]
        images = pad(parts, self.stride) if usable else NO_IMAGES
        return Batch(images, {}, ground_truths=[truth for _, truth, _ in usable], skipped=skipped)


def training_loader(
    split: Split[Sample], model: Detector, run: DetectionConfig, context: Context | None = None
) -> Loader:
    """Return the loader of training batches.

    Raises:
        DataError: The crop is not a multiple of the model's stride.
    """
    if run.augment.crop % model.stride:
        raise DataError(
            f"augment.crop={run.augment.crop} must be a multiple of {model.stride} for this model"
        )
    size = run.data.batch_size or BATCH_SIZE
    keys = KeyedSampler(len(split), run.seed, shuffle=True, batch_size=size)
    return make_loader(DetectionSet(split, model, run, context), keys, size, collate_training, run.data)


def scoring_loader(split: Split[Sample], model: Detector, run: DetectionConfig) -> Loader:
    """Return a loader that yields each sample of a split once, in order."""
    keys = KeyedSampler(len(split), run.seed, shuffle=False)
    size = run.data.eval_batch_size or EVAL_BATCH_SIZE
    pages = DetectionScoringSet(split, model, run.tiles)
    return make_loader(pages, keys, size, ScoringCollate(model.stride), run.data)


def calibration_loader(split: Split[Sample], model: Detector, run: DetectionConfig) -> Loader | None:
    """Return a loader of the validation images to calibrate on, or None if calibration is off."""
    if not run.calibrate.enabled:
        return None
    most, limit = run.calibrate.images, run.trainer.limit_val_batches
    # A float is a share of the split, an int a number of batches, as in Lightning.
    if limit is not None:
        batch = run.data.eval_batch_size or EVAL_BATCH_SIZE
        most = min(most, max(1, int(limit * (len(split) if isinstance(limit, float) else batch))))
    return scoring_loader(subsample(split, most), model, run)
