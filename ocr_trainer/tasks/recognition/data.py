"""Loaders: from a dataset's splits to batches of images of like width, with their texts as codes.

Images keep their proportions, so they are of all widths. A loader draws several batches' worth of samples
at once (`data.bucket_batches`), sorts them by width and cuts them into batches: little is padding, and no
width has to be known beforehand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ocr_trainer.data.geometry import resize
from ocr_trainer.data.loader import NO_IMAGES, KeyedSampler, Loader, ScoringSet, TrainingSet, make_loader
from ocr_trainer.data.split import Split, Unusable
from ocr_trainer.data.types import Batch, Image, TextGroundTruth, TextImage
from ocr_trainer.plugin import SkippedItem
from ocr_trainer.tasks.recognition.charset import Codec, UnknownCharacter
from ocr_trainer.tasks.recognition.config import RecognitionConfig, Unknown
from ocr_trainer.tasks.recognition.recognizer import Recognizer
from ocr_trainer.text import normalize
from ocr_trainer.text.bidi import to_visual

BATCH_SIZE = 64
"""Where the configuration leaves it open."""


@dataclass(slots=True)
class Encoded:
    """What becomes of a sample in training; without image if none could be used."""

    image: Image | None = None
    codes: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    source: str = ""
    skipped: list[SkippedItem] = field(default_factory=list)


class RecognitionSet(TrainingSet[Encoded]):
    """Augmented images with their codes."""

    make_empty = Encoded

    def __init__(self, split: Split[TextImage], model: Recognizer, run: RecognitionConfig) -> None:
        """Keep the split and what is done to its samples."""
        from ocr_trainer.tasks.recognition.augment import TextAugmenter

        super().__init__(split, run.seed)
        replacement = run.charset.replacement if run.charset.unknown is Unknown.replace else None
        self.codec = Codec(model.charset, replacement)
        # What the user wants to have left out is told, but is no fault of the data.
        self.unknown = "text" if run.charset.unknown is Unknown.skip else "label"
        self.model = model
        self.augment = TextAugmenter(run.augment, model.size(1, 1)[0])

    def encode(self, sample: TextImage, rng: np.random.Generator) -> Encoded:
        """Return what the model sees, and what it is to read there."""
        try:
            text = normalize.clean(sample.text)
            codes = self.codec.encode(to_visual(text) if self.model.visual else text)
        except UnknownCharacter as error:
            raise Unusable(self.unknown, str(error)) from error
        except ValueError as error:
            raise Unusable("label", str(error)) from error
        if not len(codes):
            raise Unusable("label", "the text is empty")
        image = fit(self.model.augment(self.augment(sample.image, rng), rng), self.model)
        repeats = int(np.count_nonzero(codes[1:] == codes[:-1]))
        if fault := self.model.fault(len(codes), repeats, image.shape[1]):
            # A limit of the model, no fault of the data.
            raise Unusable("text", fault)
        return Encoded(image, codes, sample.source)


Scored = tuple[Image, TextGroundTruth, list[SkippedItem]] | SkippedItem


class RecognitionScoringSet(ScoringSet):
    """Images at the model's height, with their texts."""

    def prepare(self, sample: TextImage) -> tuple[Image, TextGroundTruth]:
        """Return the resized image and its clean text."""
        try:
            text = normalize.clean(sample.text)
        except ValueError as error:
            raise Unusable("label", str(error)) from error
        return fit(sample.image, self.model), TextGroundTruth(text, sample.source)


def fit(image: Image, model: Recognizer) -> Image:
    """Resize an image as the model wants it."""
    return resize(image, *model.size(*image.shape[:2]))


def pad(images: Sequence[Image], stride: int) -> tuple[Tensor, Tensor]:
    """Stack images of one height, padded at the right to a multiple of `stride`.

    Returns:
        uint8, (images, 3, height, width); and int64, (images,), the width of each.
    """
    widths = [image.shape[1] for image in images]
    width = -(-max(widths) // stride) * stride
    canvas = np.zeros((len(images), images[0].shape[0], width, 3), dtype=np.uint8)
    for place, image in zip(canvas, images, strict=True):
        place[:, : image.shape[1]] = image
    return torch.from_numpy(canvas.transpose(0, 3, 1, 2).copy()), torch.tensor(widths)


def prepare(images: Sequence[Image], model: Recognizer) -> tuple[Tensor, Tensor]:
    """Resize images as the model wants them, and stack them as `pad` does."""
    return pad([fit(image, model) for image in images], model.stride)


def by_width(items: Sequence[Any], count: int, width: Any) -> list[list[Any]]:
    """Sort items by width and cut them into `count` parts of nearly the same number."""
    order = sorted(range(len(items)), key=lambda place: width(items[place]))
    return [[items[place] for place in part] for part in np.array_split(np.array(order, dtype=int), count)]


@dataclass(frozen=True)
class Pooled:
    """How the samples of a pool become batches."""

    batch_size: int
    stride: int

    def batches(self, samples: int) -> int:
        """Return how many batches so many samples make, of nearly the same number each."""
        return -(-samples // self.batch_size)


@dataclass(frozen=True)
class TrainingCollate(Pooled):
    """Makes the batches of a pool, in an order that does not go by width."""

    def __call__(self, items: Sequence[Encoded]) -> list[Batch]:
        """Return the batches; one without images where none could be used."""
        skipped = [entry for item in items for entry in item.skipped]
        usable = [item for item in items if item.image is not None]
        parts = by_width(usable, self.batches(len(items)), lambda item: item.image.shape[1])
        # What the order follows from must not depend on the process: so it is the content.
        content = len(items) + sum(len(item.codes) for item in usable)
        made = [self._batch(parts[p]) for p in np.random.default_rng(content).permutation(len(parts))]
        made[0].skipped = skipped
        return made

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
class ScoringCollate(Pooled):
    """Makes the batches of a pool for scoring."""

    def __call__(self, items: Sequence[Scored]) -> list[Batch]:
        """Return the batches; one without images where none could be used."""
        skipped = [item for item in items if isinstance(item, SkippedItem)]
        usable = [item for item in items if not isinstance(item, SkippedItem)]
        skipped += [entry for _, _, entries in usable for entry in entries]
        parts = by_width(usable, self.batches(len(items)), lambda item: item[0].shape[1])
        # Not from narrow to wide: a limit would score the short ones alone.
        made = [
            self._batch(parts[place]) for place in np.random.default_rng(len(items)).permutation(len(parts))
        ]
        made[0].skipped = skipped
        return made

    def _batch(self, items: Sequence[tuple[Image, TextGroundTruth, list[SkippedItem]]]) -> Batch:
        if not items:
            return Batch(NO_IMAGES, {})
        images, widths = pad([image for image, _, _ in items], self.stride)
        return Batch(images, {}, ground_truths=[truth for _, truth, _ in items], widths=widths)


class PooledLoader(Loader):
    """A loader whose collate makes several batches at once, which it gives one by one."""

    given = (0, 0)
    """An epoch, and how many batches of its first pool were learned before the run was resumed."""

    def start_at(self, epoch: int, batches: int) -> None:
        """Go on after so many batches of an epoch, counted from 0."""
        pools, given = divmod(batches, self.collate_fn.batches(self.batch_size))  # type: ignore[attr-defined]
        self.given = (epoch, given)
        super().start_at(epoch, pools)

    def __len__(self) -> int:
        pools, rest = divmod(len(self.sampler), self.batch_size or 1)  # type: ignore[arg-type]
        batches = pools * self.collate_fn.batches(self.batch_size)  # type: ignore[attr-defined]
        return batches + (self.collate_fn.batches(rest) if rest else 0)  # type: ignore[attr-defined]

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        epoch, given = self.given
        begin = given if epoch == getattr(self.sampler, "epoch", None) else 0
        for pool in super().__iter__():
            yield from pool[begin:]
            begin = 0


def training_loader(split: Split[TextImage], model: Recognizer, run: RecognitionConfig) -> Loader:
    """Return the loader that training draws from."""
    keys = KeyedSampler(len(split), run.seed, shuffle=True)
    size = run.data.batch_size or BATCH_SIZE
    collate = TrainingCollate(size, model.stride)
    return make_loader(
        RecognitionSet(split, model, run),
        keys,
        size * run.data.bucket_batches,
        collate,
        run.data,
        kind=PooledLoader,
    )


def scoring_loader(split: Split[TextImage], model: Recognizer, run: RecognitionConfig) -> Loader:
    """Return a loader that goes through a split once."""
    keys = KeyedSampler(len(split), run.seed, shuffle=False)
    size = run.data.eval_batch_size or BATCH_SIZE
    collate = ScoringCollate(size, model.stride)
    limited = {run.trainer.limit_val_batches, run.trainer.limit_test_batches} - {None, 0, 1.0}
    # A limited number of batches must not be of one width.
    pool = 1 if limited else run.data.bucket_batches
    return make_loader(
        RecognitionScoringSet(split, model), keys, size * pool, collate, run.data, kind=PooledLoader
    )
