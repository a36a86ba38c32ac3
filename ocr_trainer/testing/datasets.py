"""Contract suite for detection datasets, and the checks of samples and images that it uses."""

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
    """The contract of a dataset: up to three disjoint splits of valid, reproducible samples."""

    kind: ClassVar[Kind] = Kind.dataset

    task: ClassVar[Task] = Task.detection
    """The task that the dataset is opened for."""
    max_samples: ClassVar[int] = 8
    """Maximum number of samples to check per split; they are evenly spaced."""

    def context(self, folder: Path) -> Context:
        """Return the context that a run of the suite's task passes to the factory."""
        return replace(super().context(folder), task=self.task)

    def violations(self, sample: Any) -> Iterator[str]:
        """Yield the ways in which a sample violates the contract."""
        yield from check_sample(sample)

    def trainable_texts(self, sample: Any) -> int:
        """Return the number of texts of a sample that a model can train on."""
        return int((~sample.ignore).sum())

    def equal(self, one: Any, other: Any) -> bool:
        """Return whether two samples are exactly equal."""
        return equal(one, other)

    def overwrite(self, sample: Any) -> None:
        """Modify a sample in place, as a caller may."""
        _overwrite(sample)

    def splits(self, context: Context) -> dict[str, Any]:
        """Open the dataset and return its splits by name, without those that are None."""
        dataset = self.build(context)
        for name in SPLITS:
            assert hasattr(dataset, name), (
                f"a dataset must have the attributes train, val and test; set {name} to None if there is none"
            )
        return {name: split for name in SPLITS if (split := getattr(dataset, name)) is not None}

    def checked_indices(self, split: Any) -> range:
        """Return the indices of the samples to check."""
        return range(0, len(split), -(-len(split) // self.max_samples))

    def test_it_has_splits(self, tmp_path: Path) -> None:
        """Each split is a sequence of constant length, and there is a train split."""
        splits = self.splits(self.context(tmp_path))
        assert "train" in splits, "there must be a train split"
        for name, split in splits.items():
            length = len(split)
            assert length > 0, f"the split {name} must not be empty; set it to None if there are no samples"
            files = getattr(split, "files", None)
            assert files is None or len(files) == length, f"{name}.files must name one file per sample"
            for index in (0, length - 1):
                split[index]
            assert len(split) == length, f"len({name}) must stay the same"
            if not getattr(split, "endless", False):
                assert _ends(split, length), f"{name}[{length}] must raise IndexError: the length is {length}"

    def test_samples_are_valid(self, tmp_path: Path) -> None:
        """Models, augmentation and scoring rely on valid samples and do not check them again."""
        trainable = 0
        for name, split in self.splits(self.context(tmp_path)).items():
            for index in self.checked_indices(split):
                sample = split[index]
                faults = list(self.violations(sample))
                assert not faults, f"{name}[{index}] ({getattr(sample, 'source', '?')}): {'; '.join(faults)}"
                trainable += self.trainable_texts(sample)
        assert trainable, "no checked sample has text to train on"

    def test_a_sample_stays_the_same(self, tmp_path: Path) -> None:
        """A sample depends on the index only, and callers may modify it."""
        first = self.splits(self.context(tmp_path))
        second = self.splits(self.context(tmp_path))
        for name, split in first.items():
            assert len(split) == len(second[name]), f"opened again, {name} must have the same length"
            for index in {0, len(split) - 1}:
                sample = split[index]
                kept = pickle.loads(pickle.dumps(sample))
                self.overwrite(sample)
                assert self.equal(split[index], kept), (
                    f"{name}[{index}] must be the same sample each time, even if the caller modified it: seed"
                    " random numbers with the run's seed and the index, and return copies of cached data"
                )
                assert self.equal(second[name][index], kept), (
                    f"opened again, {name}[{index}] must be the same sample"
                )

    def test_splits_pickle(self, tmp_path: Path) -> None:
        """Worker processes get a pickled copy of a split."""
        for name, split in self.splits(self.context(tmp_path)).items():
            try:
                copy = pickle.loads(pickle.dumps(split))
            except (pickle.PicklingError, TypeError, AttributeError) as error:
                raise AssertionError(
                    f"{name} must be picklable, as worker processes get a copy: {error}"
                ) from error
            alike = len(copy) == len(split) and self.equal(copy[0], split[0])
            assert alike, f"a pickled copy of {name} must give the same samples"

    def test_splits_share_nothing(self, tmp_path: Path) -> None:
        """No sample is in two splits: a score on training samples is meaningless."""
        homes: dict[Any, str] = {}
        for name, split in self.splits(self.context(tmp_path)).items():
            for trace, source in set(self._traces(split)):
                home = homes.setdefault(trace, name)
                assert home == name, f"{source} is in {home} and in {name}; no image may be in two splits"

    def _traces(self, split: Any) -> Iterator[tuple[Any, str]]:
        """Yield keys that identify samples, with their source: all files, and pixels of checked samples."""
        yield from ((str(file), str(file)) for file in getattr(split, "files", None) or ())
        for index in self.checked_indices(split):
            sample = split[index]
            yield sample.source, sample.source
            yield (sample.image.shape, sample.image.tobytes()), sample.source

    def test_an_endless_split_has_new_samples_beyond_its_length(self, tmp_path: Path) -> None:
        """Indices beyond the length give new, valid samples."""
        for name, split in self.splits(self.context(tmp_path)).items():
            if getattr(split, "endless", False):
                length = len(split)
                beyond = split[length]
                faults = list(self.violations(beyond))
                assert not faults, f"{name}[{length}]: {'; '.join(faults)}"
                assert not self.equal(beyond, split[0]), (
                    f"{name} is endless: {name}[{length}], of the next epoch, must be new"
                )
                assert self.equal(beyond, split[length]), (
                    f"{name}[{length}] must be the same sample each time"
                )

    def test_the_data_report_adds_up(self, tmp_path: Path) -> None:
        """Items are counted as read before they are skipped, and each skipped item has a reason."""
        context = self.context(tmp_path)
        self.splits(context)
        data_report = context.data_report
        for what, read in (("image", data_report.images), ("label", data_report.labels)):
            skipped = sum(entry.what == what for entry in data_report.skipped)
            assert skipped <= read, (
                f"the data report has {skipped} {what}s skipped of {read} read: count each {what}, usable or"
                f" not, with data_report.read({what}s=1) before you call data_report.skip_{what}"
            )
        incomplete = [entry for entry in data_report.skipped if not (entry.file and entry.reason.strip())]
        assert not incomplete, f"say which file was skipped and why: {incomplete[:3]}"


def check_sample(sample: Sample) -> Iterator[str]:
    """Yield the ways in which a detection sample violates the contract."""
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
        yield "texts must be strings, empty if the text is unknown"
    if not (isinstance(sample.source, str) and sample.source):
        yield "source must say where the sample comes from"
    for index, polygon in enumerate(sample.polygons):
        for fault in _polygon_faults(polygon, bool(sample.ignore[index]), image.shape[:2]):
            yield f"polygon {index} {fault}"


def check_image_array(image: Any) -> Iterator[str]:
    """Yield the ways in which an image is not a contiguous uint8 array, (height, width, 3)."""
    import numpy as np

    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        yield f"the image must be a uint8 array, not {getattr(image, 'dtype', type(image).__name__)}"
    elif image.ndim != 3 or image.shape[2] != 3 or not image.size:
        yield f"the image must have the shape (height, width, 3), not {image.shape}"
    elif not image.flags.c_contiguous:
        yield "the image must be contiguous: use np.ascontiguousarray(image)"


def _polygon_faults(polygon: Any, ignored: bool, size: tuple[int, ...]) -> Iterator[str]:
    import numpy as np

    if not isinstance(polygon, np.ndarray) or polygon.dtype != np.float32:
        yield f"must be a float32 array, not {getattr(polygon, 'dtype', type(polygon).__name__)}"
    elif polygon.ndim != 2 or polygon.shape[1] != 2 or len(polygon) < 3:
        yield f"must have the shape (points, 2) with 3 points or more, not {polygon.shape}"
    elif not np.isfinite(polygon).all():
        yield "has coordinates that are not finite"
    elif np.array_equal(polygon[0], polygon[-1]):
        yield "is closed: leave out the last point, which repeats the first"
    elif not ignored:
        height, width = size
        (left, top), (right, bottom) = polygon.min(axis=0), polygon.max(axis=0)
        if right <= 0 or bottom <= 0 or left >= width or top >= height:
            yield f"lies outside its image of {width} x {height} pixels; leave it out or set its ignore flag"
        elif max(right, bottom) <= 1 < min(width, height):
            yield "lies within one pixel: coordinates are in pixels, not in fractions of the image size"


def equal(one: Sample, other: Sample) -> bool:
    """Return whether two detection samples are exactly equal."""
    import numpy as np

    return (
        (one.source, one.texts) == (other.source, other.texts)
        and np.array_equal(one.image, other.image)
        and np.array_equal(one.ignore, other.ignore)
        and len(one.polygons) == len(other.polygons)
        and all(map(np.array_equal, one.polygons, other.polygons))
    )


def _overwrite(sample: Sample) -> None:
    """Modify a sample in place, as a caller may."""
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
