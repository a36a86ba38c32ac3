"""Dataset plugin `concat`: several datasets as one, each with a weight and its own split sizes."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeVar

from ocr_trainer.builtin.plugin import ConcatConfig
from ocr_trainer.data.counted import label_counts
from ocr_trainer.data.split import name_of, size_of, text_of
from ocr_trainer.data.types import Sample, TextImage
from ocr_trainer.formats.labeled import LazySplits
from ocr_trainer.plugin import Context, Kind
from ocr_trainer.plugin.build import build

T = TypeVar("T")


class Concat(LazySplits["Mixed"]):
    """Three splits, each the concatenation of that split of all parts."""

    def __init__(self, config: ConcatConfig, context: Context) -> None:
        self._config = config
        self._parts = {
            name: build(Kind.dataset, part.dataset, context) for name, part in config.parts.items()
        }

    @cached_property
    def characters(self) -> str:
        """The distinct characters of the training texts, sorted; for recognition."""
        # Imported here, as detection does not need it.
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
            limit = getattr(part, split)
            samples = getattr(self._parts[name], split) if limit != 0 else None
            if samples is None or not len(samples):
                continue
            pool = len(samples) if limit is None else min(limit, len(samples))
            share = max(1, round(part.weight * pool)) if split == "train" else pool
            mixed.append((samples, pool, share))
        return Mixed(mixed, endless=split == "train") if mixed else None


class Mixed(Sequence[Sample | TextImage]):
    """Concatenation of several splits; in training, each contributes its share to every epoch.

    Args:
        parts: For each part: its split, the number of its samples to use, and the number of samples that
            it contributes to an epoch.
        endless: Whether indices beyond the length are valid; they are those of later epochs. In each epoch,
            a part continues with its next samples, and a part that is endless itself gives new ones.
    """

    def __init__(self, parts: list[tuple[Any, int, int]], endless: bool) -> None:
        self._parts = parts
        self._starts = list(accumulate((share for _, _, share in parts), initial=0))
        self.endless = endless

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, index: int) -> Sample | TextImage:  # type: ignore[override]
        samples, place = self._locate(index)
        sample: Sample | TextImage = samples[place]
        return sample

    def _locate(self, index: int) -> tuple[Any, int]:
        epoch, index = divmod(index, len(self)) if self.endless else (0, index)
        if not 0 <= index < len(self):
            raise IndexError(index)
        which = bisect_right(self._starts, index) - 1
        samples, pool, share = self._parts[which]
        number = epoch * share + index - self._starts[which]
        if getattr(samples, "endless", False) and pool == len(samples):
            return samples, number
        # If only some samples of a part are used, they are evenly spaced.
        return samples, number % pool * len(samples) // pool

    def file(self, index: int) -> Path:
        """Return the path of the sample at an index; its part must have `files`."""
        samples, place = self._locate(index)
        path: Path = samples.file(place) if isinstance(samples, Mixed) else samples.files[place]
        return path

    def name_of(self, index: int) -> str:
        """Return the name of the sample at an index, for messages."""
        return name_of(*self._locate(index))

    def size_of(self, index: int) -> tuple[int, int] | None:
        """Return the size of the sample at an index without decoding it, as `data.split.size_of` does."""
        return size_of(*self._locate(index))

    def text_of(self, index: int) -> str | None:
        """Return the text of the sample at an index, as `data.split.text_of` does."""
        return text_of(*self._locate(index))

    def text(self, index: int) -> str:
        """Return the text of the sample at an index, without decoding its image."""
        samples, place = self._locate(index)
        text: str = samples.texts[place]
        return text

    @property
    def files(self) -> Sequence[Path] | None:
        """One path per sample of an epoch; None unless all parts have `files`."""
        return Each(self, self.file) if self._all_have("files") else None

    def label_counts(self) -> Counter[str] | None:
        """Return how many labels of the parts are "don't care" by reason; None unless all parts can tell."""
        counts = [label_counts(samples) for samples, _, _ in self._parts]
        return None if None in counts else sum((one for one in counts if one is not None), Counter())

    @property
    def texts(self) -> Sequence[str] | None:
        """One text per sample; None unless all parts have `texts` and each epoch has the same samples."""
        return Each(self, self.text) if self._all_have("texts") and not self.endless else None

    def _all_have(self, attribute: str) -> bool:
        return all(getattr(samples, attribute, None) is not None for samples, _, _ in self._parts)


class Each(Sequence[T]):
    """Lazy sequence with one value per sample of `Mixed`; like it, indices may exceed the length."""

    def __init__(self, mixed: Mixed, get: Callable[[int], T]) -> None:
        self._mixed, self._get = mixed, get

    def __len__(self) -> int:
        return len(self._mixed)

    def __iter__(self) -> Iterator[T]:
        # The default iterates until IndexError, which an endless split never raises.
        return map(self._get, range(len(self)))

    def __getitem__(self, index: int | slice) -> T | list[T]:  # type: ignore[override]
        if isinstance(index, slice):
            return [self._get(place) for place in range(len(self))[index]]
        return self._get(index)
