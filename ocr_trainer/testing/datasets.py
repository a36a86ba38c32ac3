"""What a dataset has to keep."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ocr_trainer.plugin import Context, Kind, Task
from ocr_trainer.testing.plugins import PluginSuite

if TYPE_CHECKING:
    from ocr_trainer.data.types import Sample

SPLITS = ("train", "val", "test")


class DatasetSuite(PluginSuite):
    """The contract of a dataset: three splits of valid samples that do not change and do not overlap."""

    kind: ClassVar[Kind] = Kind.dataset

    task: ClassVar[Task] = Task.detection
    """What it is opened for."""
    most: ClassVar[int] = 8
    """At most so many samples of a split are looked at, evenly spread."""

    def context(self, folder: Path) -> Context:
        """Return what a run of the suite's task would tell the factory."""
        return replace(super().context(folder), task=self.task)

    def faults(self, sample: Any) -> Iterator[str]:
        """Yield the ways in which a sample breaks the contract."""
        yield from check_sample(sample)

    def learned(self, sample: Any) -> int:
        """Return how many texts of a sample there are to learn."""
        return int((~sample.ignore).sum())

    def same(self, one: Any, other: Any) -> bool:
        """Tell whether two samples are equal to the bit."""
        return same(one, other)

    def scribble(self, sample: Any) -> None:
        """Change a sample, as a careless caller may."""
        _scribble(sample)

    def splits(self, context: Context) -> dict[str, Any]:
        """Open the dataset and return those of its splits that there are."""
        dataset = self.build(context)
        for name in SPLITS:
            assert hasattr(dataset, name), (
                f"a dataset has train, val and test; {name} is None where there is none"
            )
        return {name: split for name in SPLITS if (split := getattr(dataset, name)) is not None}

    def looked_at(self, split: Any) -> range:
        """Return the indices of the samples that are looked at."""
        return range(0, len(split), -(-len(split) // self.most))

    def test_it_has_splits(self, tmp_path: Path) -> None:
        """Each is a sequence of a length that stays; there is something to train on."""
        splits = self.splits(self.context(tmp_path))
        assert "train" in splits, "there must be a train split"
        for name, split in splits.items():
            length = len(split)
            assert length > 0, f"the split {name} must not be empty; where there is no sample, it is None"
            files = getattr(split, "files", None)
            assert files is None or len(files) == length, f"{name}.files must name one file per sample"
            for index in (0, length - 1):
                split[index]
            assert len(split) == length, f"len({name}) must stay the same"
            if not getattr(split, "endless", False):
                assert _ends(split, length), f"{name}[{length}] must raise IndexError: the length is {length}"

    def test_samples_are_valid(self, tmp_path: Path) -> None:
        """They are what models, augmentation and scoring take without a look."""
        cared = 0
        for name, split in self.splits(self.context(tmp_path)).items():
            for index in self.looked_at(split):
                sample = split[index]
                faults = list(self.faults(sample))
                assert not faults, f"{name}[{index}] ({getattr(sample, 'source', '?')}): {'; '.join(faults)}"
                cared += self.learned(sample)
        assert cared, "none of the samples looked at has text to learn"

    def test_a_sample_stays_the_same(self, tmp_path: Path) -> None:
        """It depends on the index alone, and is the caller's to change."""
        first = self.splits(self.context(tmp_path))
        second = self.splits(self.context(tmp_path))
        for name, split in first.items():
            assert len(split) == len(second[name]), f"opened again, {name} must have as many samples"
            for index in {0, len(split) - 1}:
                sample = split[index]
                kept = pickle.loads(pickle.dumps(sample))
                self.scribble(sample)
                assert self.same(split[index], kept), (
                    f"{name}[{index}] must be the same when asked for again, whatever was done to it:"
                    " draw random numbers by seed and index, and give copies of what you keep"
                )
                assert self.same(second[name][index], kept), (
                    f"opened again, {name}[{index}] must be the same sample"
                )

    def test_it_goes_to_workers(self, tmp_path: Path) -> None:
        """Worker processes get a pickled copy of a split."""
        for name, split in self.splits(self.context(tmp_path)).items():
            try:
                copy = pickle.loads(pickle.dumps(split))
            except (pickle.PicklingError, TypeError, AttributeError) as error:
                raise AssertionError(
                    f"{name} must pickle, as it goes to worker processes: {error}"
                ) from error
            alike = len(copy) == len(split) and self.same(copy[0], split[0])
            assert alike, f"pickled, {name} must give the same samples"

    def test_splits_share_nothing(self, tmp_path: Path) -> None:
        """A score on what was trained on says nothing."""
        homes: dict[Any, str] = {}
        for name, split in self.splits(self.context(tmp_path)).items():
            for trace, source in set(self._traces(split)):
                home = homes.setdefault(trace, name)
                assert home == name, f"{source} is in {home} and in {name}; no image may be in two splits"

    def _traces(self, split: Any) -> Iterator[tuple[Any, str]]:
        """Yield what tells that a sample was met before: its source, and the pixels of those looked at."""
        yield from ((str(file), str(file)) for file in getattr(split, "files", None) or ())
        for index in self.looked_at(split):
            sample = split[index]
            yield sample.source, sample.source
            yield (sample.image.shape, sample.image.tobytes()), sample.source

    def test_an_endless_split_goes_on(self, tmp_path: Path) -> None:
        """What lies beyond the length is as valid, and new."""
        for name, split in self.splits(self.context(tmp_path)).items():
            if getattr(split, "endless", False):
                length = len(split)
                beyond = split[length]
                faults = list(self.faults(beyond))
                assert not faults, f"{name}[{length}]: {'; '.join(faults)}"
                assert not self.same(beyond, split[0]), (
                    f"{name} is endless: the next epoch's {name}[{length}] must be new"
                )
                assert self.same(beyond, split[length]), (
                    f"{name}[{length}] must be the same when asked for again"
                )

    def test_the_data_report_adds_up(self, tmp_path: Path) -> None:
        """What is left out was met before, and there is a reason."""
        context = self.context(tmp_path)
        self.splits(context)
        data_report = context.data_report
        for what, met in (("image", data_report.images), ("label", data_report.labels)):
            skipped = sum(entry.what == what for entry in data_report.skipped)
            assert skipped <= met, (
                f"the ledger has {skipped} {what}s skipped of {met} met: enter each with"
                f" ledger.read({what}s=1), usable or not, before ledger.skip_{what}"
            )
        unfounded = [entry for entry in data_report.skipped if not (entry.file and entry.reason.strip())]
        assert not unfounded, f"say which file was skipped and why: {unfounded[:3]}"


def check_sample(sample: Sample) -> Iterator[str]:
    """Yield the ways in which a sample breaks the contract."""
    from ocr_trainer.data.types import Sample

    if not isinstance(sample, Sample):
        yield f"it must be an ocr_trainer.data.types.Sample, not {type(sample).__name__}"
        return
    faults = list(check_image_array(sample.image))
    yield from faults
    if faults:
        return
    image = sample.image
    if not all(isinstance(text, str) for text in sample.texts):
        yield "texts must be strings, empty where the text is not known"
    if not (isinstance(sample.source, str) and sample.source):
        yield "source must say where the sample came from"
    for index, polygon in enumerate(sample.polygons):
        for fault in _polygon_faults(polygon, bool(sample.ignore[index]), image.shape[:2]):
            yield f"polygon {index} {fault}"


def check_image_array(image: Any) -> Iterator[str]:
    """Yield what is wrong with an image."""
    import numpy as np

    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        yield f"the image must be a uint8 array, not {getattr(image, 'dtype', type(image).__name__)}"
    elif image.ndim != 3 or image.shape[2] != 3 or not image.size:
        yield f"the image must have the shape (height, width, 3), not {image.shape}"
    elif not image.flags.c_contiguous:
        yield "the image must be contiguous: np.ascontiguousarray(image)"


def _polygon_faults(polygon: Any, ignored: bool, size: tuple[int, ...]) -> Iterator[str]:
    import numpy as np

    if not isinstance(polygon, np.ndarray) or polygon.dtype != np.float32:
        yield f"must be a float32 array, not {getattr(polygon, 'dtype', type(polygon).__name__)}"
    elif polygon.ndim != 2 or polygon.shape[1] != 2 or len(polygon) < 3:
        yield f"must have the shape (points, 2) with 3 points or more, not {polygon.shape}"
    elif not np.isfinite(polygon).all():
        yield "has coordinates that are no finite numbers"
    elif np.array_equal(polygon[0], polygon[-1]):
        yield "is closed: leave out the last point, it is the first"
    elif not ignored:
        height, width = size
        (left, top), (right, bottom) = polygon.min(axis=0), polygon.max(axis=0)
        if right <= 0 or bottom <= 0 or left >= width or top >= height:
            yield f"lies outside its image of {width} x {height} pixels; leave it out or set its ignore flag"
        elif max(right, bottom) <= 1 < min(width, height):
            yield "lies within one pixel: coordinates are in pixels, not in shares of the image"


def same(one: Sample, other: Sample) -> bool:
    """Tell whether two samples are equal to the bit."""
    import numpy as np

    return (
        (one.source, one.texts) == (other.source, other.texts)
        and np.array_equal(one.image, other.image)
        and np.array_equal(one.ignore, other.ignore)
        and len(one.polygons) == len(other.polygons)
        and all(map(np.array_equal, one.polygons, other.polygons))
    )


def _scribble(sample: Sample) -> None:
    """Change a sample, as a careless caller may."""
    for array in (sample.image, sample.ignore, *sample.polygons):
        if array.flags.writeable:
            array[:] = 1
    sample.polygons.clear()
    sample.texts.clear()


def _ends(split: Any, length: int) -> bool:
    try:
        split[length]
    except IndexError:
        return True
    return False
