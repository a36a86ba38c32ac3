"""Loaders: from a dataset's splits to batches of a model's targets.

Randomness is keyed by (seed, epoch, index), so it depends neither on the number of workers nor on
the order in which they work.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from ocr_trainer.errors import DataError
from ocr_trainer.plugin import Skipped
from ocr_trainer.schema import DataConfig, RunConfig
from ocr_trainer.training.detection import Detector
from ocr_trainer.training.samples import Batch, Image, Sample, Truth

Key = tuple[int, int]
"""Epoch and index."""


class Split(Protocol):
    """What a dataset plugin gives for each of train, val and test."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...


class Keys(Sampler[Key]):
    """Yields (epoch, index) for each sample that this process is to handle."""

    def __init__(self, length: int, seed: int, shuffle: bool) -> None:
        """Keep what the order follows from."""
        self.length, self.seed, self.shuffle = length, seed, shuffle
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Begin an epoch; Lightning calls this."""
        self.epoch = epoch

    def __len__(self) -> int:
        rank, ranks = _place()
        return self.length // ranks if self.shuffle else len(range(rank, self.length, ranks))

    def __iter__(self) -> Iterator[Key]:
        order: Sequence[int] = range(self.length)
        if self.shuffle:
            order = np.random.default_rng((self.seed, self.epoch)).permutation(self.length).tolist()
        rank, ranks = _place()
        # In training every process takes equally many, as they step together.
        yield from ((self.epoch, index) for index in order[rank::ranks][: len(self)])


def _place() -> tuple[int, int]:
    """Return the rank of this process and how many there are."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1


@dataclass(slots=True)
class Encoded:
    """What becomes of a sample in training; without image if none could be read."""

    image: Image | None = None
    targets: dict[str, np.ndarray] = field(default_factory=dict)
    texts: int = 0
    skipped: list[Skipped] = field(default_factory=list)


class TrainingSet(Dataset[Encoded]):
    """Augmented samples with their targets. A sample that cannot be read is replaced by the next."""

    TRIES = 20

    def __init__(self, split: Split, model: Detector, run: RunConfig) -> None:
        """Keep the split and what is done to its samples."""
        from ocr_trainer.training.detection.augment import Augmenter

        self.split, self.model, self.seed = split, model, run.seed
        self.augment = Augmenter(run.augment, model.scale)
        self.endless = getattr(split, "endless", False)

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, key: Key | int) -> Encoded:
        # Lightning's overfit_batches puts a plain sampler in place of ours: the same crops in every epoch.
        epoch, index = key if isinstance(key, tuple) else (0, key)
        skipped: list[Skipped] = []
        for attempt in range(min(self.TRIES, len(self))):
            place = epoch * len(self) + index + attempt if self.endless else (index + attempt) % len(self)
            try:
                sample = self.split[place]
            except DataError as error:
                skipped.append(_unreadable(self.split, place, error))
                continue
            skipped += sample.skipped
            sample = self.augment(sample, np.random.default_rng((self.seed, epoch, index)))
            texts = int(np.count_nonzero(~sample.ignore))
            return Encoded(sample.image, self.model.encode(sample), texts, skipped)
        # An exception would reach the user as torch words those of its workers.
        return Encoded(skipped=skipped)


Scored = tuple[Image, Truth, list[Skipped]] | Skipped


class ScoringSet(Dataset[Scored]):
    """Samples as the model is scored on them. One that cannot be read is entered as skipped."""

    def __init__(self, split: Split, model: Detector) -> None:
        """Keep the split and the model whose scale its images are brought to."""
        self.split, self.model = split, model

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, key: Key | int) -> Scored:
        index = key[1] if isinstance(key, tuple) else key
        try:
            sample = self.split[index]
        except DataError as error:
            return _unreadable(self.split, index, error)
        image, scale = fit(sample.image, self.model)
        size = (image.shape[0], image.shape[1])
        truth = Truth(sample.polygons, sample.texts, sample.ignore, sample.source, size, scale)
        return image, truth, sample.skipped


class Some:
    """At most so many samples of a split, evenly spread."""

    def __init__(self, split: Split, most: int) -> None:
        self._split, self._step = split, max(1, -(-len(split) // most))

    def __len__(self) -> int:
        return -(-len(self._split) // self._step)

    def __getitem__(self, index: int) -> Sample:
        return self._split[index * self._step]


NO_IMAGES = torch.zeros((0, 3, 1, 1), dtype=torch.uint8)


def _unreadable(split: Split, index: int, error: DataError) -> Skipped:
    files = getattr(split, "files", None)
    # Without names, one image of an endless split is the same in every epoch.
    name = str(files[index]) if files else f"sample {index % len(split)}"
    return Skipped("image", name, None, str(error))


def fit(image: Image, model: Detector) -> tuple[Image, tuple[float, float]]:
    """Resize an image as the model wants it when scoring; return the factors of x and y, too."""
    from ocr_trainer.training.detection.augment import resize

    height, width = image.shape[:2]
    scale = model.scale(height, width)
    new_height, new_width = max(1, round(height * scale)), max(1, round(width * scale))
    return resize(image, new_height, new_width), (new_width / width, new_height / height)


def pad(images: Sequence[Image], stride: int) -> torch.Tensor:
    """Stack images of any sizes, padded to a multiple of `stride`: uint8, (images, 3, height, width)."""
    height, width = (max(image.shape[axis] for image in images) for axis in (0, 1))
    height, width = -(-height // stride) * stride, -(-width // stride) * stride
    canvas = np.zeros((len(images), height, width, 3), dtype=np.uint8)
    for place, image in zip(canvas, images, strict=True):
        place[: image.shape[0], : image.shape[1]] = image
    return torch.from_numpy(canvas.transpose(0, 3, 1, 2).copy())


def collate_training(items: Sequence[Encoded]) -> Batch:
    """Stack images and targets; a batch without images if none could be read."""
    skipped = [entry for item in items for entry in item.skipped]
    usable = [item for item in items if item.image is not None]
    if not usable:
        return Batch(NO_IMAGES, {}, skipped=skipped)
    images = np.stack([item.image for item in usable]).transpose(0, 3, 1, 2)
    targets = {
        name: torch.from_numpy(np.stack([item.targets[name] for item in usable]))
        for name in usable[0].targets
    }
    texts = sum(item.texts for item in usable)
    return Batch(torch.from_numpy(np.ascontiguousarray(images)), targets, texts, skipped=skipped)


class ScoringCollate:
    """Pads and stacks images, and keeps their labels beside them."""

    def __init__(self, stride: int) -> None:
        """Keep what heights and widths must be multiples of."""
        self.stride = stride

    def __call__(self, items: Sequence[Scored]) -> Batch:
        """Return a batch; without images if none could be read."""
        skipped = [item for item in items if isinstance(item, Skipped)]
        usable = [item for item in items if not isinstance(item, Skipped)]
        skipped += [entry for _, _, entries in usable for entry in entries]
        images = pad([image for image, _, _ in usable], self.stride) if usable else NO_IMAGES
        return Batch(images, {}, truths=[truth for _, truth, _ in usable], skipped=skipped)


def training_loader(split: Split, model: Detector, run: RunConfig) -> DataLoader[Encoded]:
    """Return the loader that training draws from."""
    if run.augment.crop % model.stride:
        raise DataError(
            f"augment.crop={run.augment.crop} must be a multiple of {model.stride} for this model"
        )
    keys = Keys(len(split), run.seed, shuffle=True)
    return _loader(TrainingSet(split, model, run), keys, run.data.batch_size, collate_training, run.data)


def scoring_loader(split: Split, model: Detector, run: RunConfig) -> DataLoader[Scored]:
    """Return a loader that goes through a split once, in order."""
    keys = Keys(len(split), run.seed, shuffle=False)
    return _loader(
        ScoringSet(split, model), keys, run.data.eval_batch_size, ScoringCollate(model.stride), run.data
    )


def calibration_loader(split: Split, model: Detector, run: RunConfig) -> DataLoader[Scored] | None:
    """Return a loader of the validation images that choose how the model decodes; nothing if none are to."""
    if not run.calibrate.enabled:
        return None
    most, limit = run.calibrate.images, run.trainer.limit_val_batches
    if limit is not None:
        most = min(
            most, max(1, int(limit * (len(split) if isinstance(limit, float) else run.data.eval_batch_size)))
        )
    return scoring_loader(Some(split, most), model, run)


def _loader(
    dataset: Dataset[Any], keys: Keys, batch_size: int, collate: Any, data: DataConfig
) -> DataLoader[Any]:
    workers = data.workers if data.workers is not None else min(8, (os.cpu_count() or 1) // 2)
    return DataLoader(
        dataset,
        batch_size=batch_size,
        sampler=keys,
        num_workers=workers,
        collate_fn=collate,
        pin_memory=torch.cuda.is_available(),
        drop_last=keys.shuffle and len(keys) >= batch_size,
        worker_init_fn=_one_thread,
        persistent_workers=workers > 0 and keys.shuffle,
    )


def _one_thread(_worker: int) -> None:
    """Keep a worker to one processor: the model needs the others."""
    import cv2

    torch.set_num_threads(1)
    cv2.setNumThreads(0)
