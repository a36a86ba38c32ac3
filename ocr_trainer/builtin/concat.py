"""The dataset `concat`: several datasets as one, each with its weight and its own split sizes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeVar

from ocr_trainer.builtin.plugin import ConcatConfig
from ocr_trainer.data.split import name_of
from ocr_trainer.data.types import Sample, TextImage
from ocr_trainer.formats.labeled import LazySplits
from ocr_trainer.plugin import Context, Kind
from ocr_trainer.plugin.build import build

T = TypeVar("T")


class Concat(LazySplits["Mixed"]):
    """Three splits, each of what its parts have of it, one after the other."""

    def __init__(self, config: ConcatConfig, context: Context) -> None:
        self._config = config
        self._parts = {
            name: build(Kind.dataset, part.dataset, context) for name, part in config.parts.items()
        }

    @cached_property
    def characters(self) -> str:
        """What the training texts are made of, for recognition."""
        # Only where there are texts: detection does without.
        from ocr_trainer.tasks.recognition.coverage import survey

        found: set[str] = set()
        for name, part in self._parts.items():
            if self._config.parts[name].train == 0:
                continue
            texts = getattr(part.train, "texts", None)
            found |= set(getattr(part, "characters", "") if texts is None else survey(texts).characters)
        return "".join(sorted(found))

    def _open(self, split: str) -> Mixed | None:
        mixed: list[tuple[Any, int, int]] = []
        for name, part in self._config.parts.items():
            most = getattr(part, split)
            samples = getattr(self._parts[name], split) if most != 0 else None
            if samples is None or not len(samples):
                continue
            pool = len(samples) if most is None else min(most, len(samples))
            share = max(1, round(part.weight * pool)) if split == "train" else pool
            mixed.append((samples, pool, share))
        return Mixed(mixed, endless=split == "train") if mixed else None


class Mixed(Sequence[Sample | TextImage]):
    """Samples of several splits; in training, each gives its share to every epoch.

    Args:
        parts: Split, how many of its samples there are to take, and how many of them an epoch has.
        endless: Whether indices go on beyond the length: a part whose share is smaller than what it
            has gives its next samples then, and one that is endless itself gives new ones.
    """

    def __init__(self, parts: list[tuple[Any, int, int]], endless: bool) -> None:
        self._parts = parts
        self._starts = list(accumulate((share for _, _, share in parts), initial=0))
        self.endless = endless

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, index: int) -> Sample | TextImage:  # type: ignore[override]
        samples, place = self._locate(index)
        return samples[place]

    def _locate(self, index: int) -> tuple[Any, int]:
        epoch, index = divmod(index, len(self)) if self.endless else (0, index)
        if not 0 <= index < len(self):
            raise IndexError(index)
        which = bisect_right(self._starts, index) - 1
        samples, pool, share = self._parts[which]
        number = epoch * share + index - self._starts[which]
        if getattr(samples, "endless", False) and pool == len(samples):
            return samples, number
        # A part of which not all is taken gives samples that are spread evenly over it.
        return samples, number % pool * len(samples) // pool

    def file(self, index: int) -> Path:
        """Return the path of the sample at an index, as high as it may be; its part must have files."""
        samples, place = self._locate(index)
        path: Path = samples.file(place) if isinstance(samples, Mixed) else samples.files[place]
        return path

    def name_of(self, index: int) -> str:
        """Return what the user knows a sample by."""
        return name_of(*self._locate(index))

    def text(self, index: int) -> str:
        """Return the text of the sample at an index, without decoding its image."""
        samples, place = self._locate(index)
        text: str = samples.texts[place]
        return text

    @property
    def files(self) -> Sequence[Path] | None:
        """One path per sample of an epoch, where all parts can tell."""
        return Each(self, self.file) if self._all_have("files") else None

    @property
    def texts(self) -> Sequence[str] | None:
        """One text per sample, where all parts can tell and each epoch has the same samples."""
        return Each(self, self.text) if self._all_have("texts") and not self.endless else None

    def _all_have(self, what: str) -> bool:
        return all(getattr(samples, what, None) is not None for samples, _, _ in self._parts)


class Each(Sequence[T]):
    """Something of each sample of `Mixed`, made when it is asked for; goes on beyond an epoch as it does."""

    def __init__(self, mixed: Mixed, get: Callable[[int], T]) -> None:
        self._mixed, self._get = mixed, get

    def __len__(self) -> int:
        return len(self._mixed)

    def __iter__(self) -> Iterator[T]:
        return map(self._get, range(len(self)))  # one epoch: indices have no end

    def __getitem__(self, index: int | slice) -> T | list[T]:  # type: ignore[override]
        if isinstance(index, slice):
            return [self._get(place) for place in range(len(self))[index]]
        return self._get(index)
