"""Data loaders for recognition: from a dataset's splits to batches of images of similar width, with codes.

Images keep their aspect ratio, so widths differ. A loader draws the samples of several batches at once, a
bucket (`data.bucket_batches`), sorts them by width and cuts them into batches. Batches have little padding,
and widths need not be known before the images are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ocr_trainer.config.context import run_context
from ocr_trainer.data.loader import NO_IMAGES, KeyedSampler, Loader, ScoringSet, TrainingSet, make_loader
from ocr_trainer.data.split import Split, Unusable
from ocr_trainer.data.types import Batch, Image, TextGroundTruth, TextImage
from ocr_trainer.plugin import Context, SkippedItem
from ocr_trainer.tasks.recognition.charset import UnknownCharacter
from ocr_trainer.tasks.recognition.config import RecognitionConfig, Unknown
from ocr_trainer.tasks.recognition.fitting import TextFitter
from ocr_trainer.tasks.recognition.recognizer import Recognizer
from ocr_trainer.text import normalize
from ocr_trainer_runtime.recognition.fit import fit
from ocr_trainer_runtime.recognition.fit import pad as pad_arrays

BATCH_SIZE = 64
"""Default of `data.batch_size` and `data.eval_batch_size`."""


@dataclass(slots=True)
class Encoded:
    """A training sample. `image` is None if no sample could be used in its place."""

    image: Image | None = None
    codes: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    source: str = ""
    skipped: list[SkippedItem] = field(default_factory=list)


class RecognitionSet(TrainingSet[Encoded]):
    """Augmented images of a split, with their codes."""

    make_empty = Encoded

    def __init__(
        self,
        split: Split[TextImage],
        model: Recognizer,
        run: RecognitionConfig,
        context: Context | None = None,
    ) -> None:
        from ocr_trainer.data.augmentation import Steps
        from ocr_trainer.tasks.recognition.augment import TextAugmenter

        super().__init__(split, run.seed)
        self.fitter = TextFitter(model, run)
        # Texts that the user chose to skip are reported, but do not count towards data.max_skipped.
        self.unknown = "text" if run.charset.unknown is Unknown.skip else "label"
        self.model = model
        steps = Steps.build(run.augment.steps, context or run_context(run, Path()), split)
        self.augment = TextAugmenter(run.augment, model.size(1, 1)[0], steps)

    def encode(self, sample: TextImage, rng: np.random.Generator) -> Encoded:
        """Return an augmented image and the codes of its text."""
        augmented = self.augment(sample, rng)
        codes = self._codes(augmented.text)
        image = fit(self.model.augment(augmented.image, rng), self.model)
        if self.fitter.fault(codes, image.shape[1]):
            # Augmentation may have made the image too narrow for its text.
            codes, image = self._codes(sample.text), fit(sample.image, self.model)
            if fault := self.fitter.fault(codes, image.shape[1]):
                raise Unusable("label", fault)
        return Encoded(image, codes, sample.source)

    def _codes(self, text: str) -> np.ndarray:
        try:
            codes = self.fitter.encode(text)
        except UnknownCharacter as error:
            raise Unusable(self.unknown, str(error)) from error
        except ValueError as error:
            raise Unusable("label", str(error)) from error
        if not len(codes):
            raise Unusable("label", "the text is empty")
        return codes


Scored = tuple[Image, TextGroundTruth, list[SkippedItem]] | SkippedItem


class RecognitionScoringSet(ScoringSet):
    """Images of a split at the model's height, with their texts."""

    def prepare(self, sample: TextImage) -> tuple[Image, TextGroundTruth]:
        """Return the resized image and its normalized text."""
        try:
            text = normalize.clean(sample.text)
        except ValueError as error:
            raise Unusable("label", str(error)) from error
        return fit(sample.image, self.model), TextGroundTruth(text, sample.source)


def pad(images: Sequence[Image], stride: int) -> tuple[Tensor, Tensor]:
    """Return images and widths as `ocr_trainer_runtime.recognition.fit.pad` does, as tensors."""
    stacked, widths = pad_arrays(images, stride)
    return torch.from_numpy(stacked), torch.from_numpy(widths)


def prepare(images: Sequence[Image], model: Recognizer) -> tuple[Tensor, Tensor]:
    """Resize images to the model's `size` and stack them as `pad` does."""
    return pad([fit(image, model) for image in images], model.stride)


def by_width(items: Sequence[Any], count: int, width: Any) -> list[list[Any]]:
    """Sort items by width and cut them into `count` parts of nearly equal length."""
    order = sorted(range(len(items)), key=lambda place: width(items[place]))
    return [[items[place] for place in part] for part in np.array_split(np.array(order, dtype=int), count)]


@dataclass(frozen=True)
class BucketCollate:
    """Turns the samples of a bucket into batches."""

    batch_size: int
    stride: int

    def batches(self, samples: int) -> int:
        """Return the number of batches that a bucket of samples makes."""
        return -(-samples // self.batch_size)


@dataclass(frozen=True)
class TrainingCollate(BucketCollate):
    """Turns the samples of a bucket into training batches, in random order."""

    def __call__(self, items: Sequence[Encoded]) -> list[Batch]:
        """Return the batches. A batch has no images if none could be used."""
        skipped = [entry for item in items for entry in item.skipped]
        usable = [item for item in items if item.image is not None]
        parts = by_width(usable, self.batches(len(items)), lambda item: item.image.shape[1])
        # Not by width, which would bias training. Seeded by the content: a worker's own random state would
        # make the order depend on the number of workers.
        seed = len(items) + sum(len(item.codes) for item in usable)
        batches = [self._batch(parts[p]) for p in np.random.default_rng(seed).permutation(len(parts))]
        batches[0].skipped = skipped
        return batches

    def _batch(self, items: Sequence[Encoded]) -> Batch:
        if not items:
            return Batch(NO_IMAGES, {})
        images, widths = pad([item.image for item in items if item.image is not None], self.stride)
        lengths = torch.tensor([len(item.codes) for item in items])
        codes = torch.zeros((len(items), int(lengths.max())), dtype=torch.int64)
        for row, item in zip(codes, items, strict=True):
            row[: len(item.codes)] = torch.from_numpy(item.codes)
        targets, sources = {"codes": codes, "lengths": lengths}, [item.source for item in items]
        return Batch(images, targets, texts=len(items), widths=widths, sources=sources)


@dataclass(frozen=True)
class ScoringCollate(BucketCollate):
    """Turns the samples of a bucket into batches for validation and test."""

    def __call__(self, items: Sequence[Scored]) -> list[Batch]:
        """Return the batches. A batch has no images if none could be used."""
        skipped = [item for item in items if isinstance(item, SkippedItem)]
        usable = [item for item in items if not isinstance(item, SkippedItem)]
        skipped += [entry for _, _, entries in usable for entry in entries]
        parts = by_width(usable, self.batches(len(items)), lambda item: item[0].shape[1])
        # Not from narrow to wide: the logged images come from the first batches.
        order = np.random.default_rng(len(items)).permutation(len(parts))
        batches = [self._batch(parts[place]) for place in order]
        batches[0].skipped = skipped
        return batches

    def _batch(self, items: Sequence[tuple[Image, TextGroundTruth, list[SkippedItem]]]) -> Batch:
        if not items:
            return Batch(NO_IMAGES, {})
        images, widths = pad([image for image, _, _ in items], self.stride)
        return Batch(images, {}, ground_truths=[truth for _, truth, _ in items], widths=widths)


class BucketLoader(Loader):
    """A loader whose collate function returns the batches of a bucket; it yields them one by one.

    Its `batch_size` is the number of samples in a bucket.
    """

    resumed_at = (0, 0)
    """An epoch, and how many batches of its first bucket were done before the run was resumed."""

    def start_at(self, epoch: int, batches: int) -> None:
        """Start after the given number of batches of an epoch, counted from 0."""
        buckets, done = divmod(batches, self._batches(self.batch_size or 1))
        self.resumed_at = (epoch, done)
        super().start_at(epoch, buckets)

    def _batches(self, samples: int) -> int:
        assert isinstance(self.collate_fn, BucketCollate)
        return self.collate_fn.batches(samples)

    def __len__(self) -> int:
        buckets, rest = divmod(len(self.sampler), self.batch_size or 1)  # type: ignore[arg-type]
        return buckets * self._batches(self.batch_size or 1) + (self._batches(rest) if rest else 0)

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        epoch, done = self.resumed_at
        start = done if epoch == getattr(self.sampler, "epoch", None) else 0
        for bucket in super().__iter__():
            yield from bucket[start:]
            start = 0


def training_loader(
    split: Split[TextImage], model: Recognizer, run: RecognitionConfig, context: Context | None = None
) -> Loader:
    """Return the loader of training batches."""
    keys = KeyedSampler(len(split), run.seed, shuffle=True)
    size = run.data.batch_size or BATCH_SIZE
    collate = TrainingCollate(size, model.stride)
    return make_loader(
        RecognitionSet(split, model, run, context),
        keys,
        size * run.data.bucket_batches,
        collate,
        run.data,
        kind=BucketLoader,
    )


def scoring_loader(split: Split[TextImage], model: Recognizer, run: RecognitionConfig) -> Loader:
    """Return a loader that yields each sample of a split once."""
    keys = KeyedSampler(len(split), run.seed, shuffle=False)
    size = run.data.eval_batch_size or BATCH_SIZE
    collate = ScoringCollate(size, model.stride)
    limited = {run.trainer.limit_val_batches, run.trainer.limit_test_batches} - {None, 0, 1.0}
    # With a limit on batches, the few batches of a large bucket would have texts of only some widths.
    batches = 1 if limited else run.data.bucket_batches
    return make_loader(
        RecognitionScoringSet(split, model), keys, size * batches, collate, run.data, kind=BucketLoader
    )
