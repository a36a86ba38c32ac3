"""Datasets that annotate many images in one file."""

from __future__ import annotations

import os.path
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from ocr_trainer.data.listing import count_by_suffix, is_image_file
from ocr_trainer.errors import DataError
from ocr_trainer.formats import untranscribed
from ocr_trainer.formats.annotations import Labels, declared
from ocr_trainer.formats.assign import SPLITS, fill_missing_splits, refuse_overlap
from ocr_trainer.formats.labeled import LabeledImages, LazySplits, PackedStrings
from ocr_trainer.formats.names import FolderNames, path_suffixes
from ocr_trainer.formats.paired import open_root
from ocr_trainer.formats.path_guard import PathGuard, escapes_root
from ocr_trainer.formats.texts import TextImages
from ocr_trainer.plugin import Context, Task
from ocr_trainer.plugin.options import ExifOrientation, ListedConfig

__all__ = ["Annotated", "ListedDataset", "path_suffixes"]


class Annotated(NamedTuple):
    """The entry of one image in an annotation file."""

    name: str
    labels: Labels | str
    """Labels of the image; for recognition, its text."""
    split: str | None = None
    """The split that the file assigns the image to, if any. Used only if one file holds the whole dataset."""
    line: int | None = None
    """Line in the file, from 1. Set for recognition, where an image is a single row."""


class ListedDataset(LazySplits[Any]):
    """Three splits, from one annotation file each or by share. A format implements `read`.

    All files are read as soon as one is needed, so that an image in two of them is found before training.

    Raises:
        DataError: If the folder is missing or has no annotation file.
    """

    file_names: ClassVar[tuple[str, ...]] = ()
    """Where the annotation file of a `{split}` may be, relative to the root: globs, first match wins."""
    whole_names: ClassVar[tuple[str, ...]] = ()
    """Where the annotation file of the whole dataset may be, if "train" has none."""
    image_folders: ClassVar[tuple[str, ...]] = (
        "images/{split}",
        "img/{split}",
        "{split}",
        "images",
        "img",
        ".",
    )
    """Where the images may be, relative to the root. The first existing folder is used."""

    exif: ClassVar[ExifOrientation] = ExifOrientation.auto
    """What outlines of the format refer to, of photographs with an EXIF orientation; `auto` if it varies."""

    def __init__(self, config: ListedConfig, context: Context) -> None:
        self._config = config
        self._task = context.task
        self._data_report = context.data_report
        self._root = open_root(config)
        self._path_guard = PathGuard(self._root, config)
        files = {split: self._file(split) for split in SPLITS}
        self._files = {split: path for split, path in files.items() if path}
        self._listings: dict[str, FolderNames] = {}
        if not self._files:
            raise DataError(
                f"dataset={config.name}: '{self._root}' holds no annotation file\n"
                f"  looked for: {', '.join(self._names('train'))}\n"
                "  set its path: dataset.train_file=…"
            )

    @abstractmethod
    def read(self, file: Path) -> Iterator[Annotated]:
        """Yield the entry of each image in an annotation file.

        Count each image with `self._data_report.read(images=1)`. Record an image whose entry
        cannot be used in the data report and do not yield it.

        Raises:
            DataError: If the file cannot be read or is in another format.
        """

    def names(self, name: str) -> Iterable[str]:
        """Return the paths an image may have in the image folder, most likely first."""
        return (name,)

    def _open(self, split: str) -> Any:
        return self._splits.get(split)

    @cached_property
    def _splits(self) -> dict[str, Any]:
        packed: Any = TextImages if self._task is Task.recognition else LabeledImages
        pools: dict[str, Any] = {}
        members: dict[str, dict[str, int]] = {split: {} for split in self._files}
        self._data_report.order_corners = getattr(self._config, "order_corners", False)
        for split, file in self._files.items():
            folder, assigned = self._images(split), PackedStrings()
            pools[split] = packed(self._usable(file, folder, assigned))
            start = len(str(folder / "x")) - 1
            for place, image in enumerate(pools[split].files.names()):
                assignment = assigned[place] if assigned[place] and len(self._files) == 1 else split
                # By name, not path: the same share must give the same split wherever the dataset is stored.
                members.setdefault(assignment, {})[image[start:]] = place
        if packed is LabeledImages:
            untranscribed.decide(list(pools.values()), self._config, self._data_report)
        if len(pools) > 1:
            refuse_overlap({split: pool.files.names() for split, pool in pools.items()}, self._files)
        shares = {"test": self._config.test_share, "val": self._config.val_share}
        carved = fill_missing_splits(members, shares, self._config.split_seed)
        first = next(iter(pools.values()))
        return {split: pools.get(split, first).subset(places.values()) for split, places in carved.items()}

    def _usable(self, file: Path, folder: Path, assigned: PackedStrings) -> Iterator[tuple[str, Any]]:
        """Yield the images that exist, and append the split that each entry names to `assigned`."""
        seen: set[str] = set()  # strings: a million Path objects would take seconds and a gigabyte
        for name, labels, assignment, line in self.read(file):
            try:
                image = self._find(name, str(folder))
                if image in seen:
                    raise DataError("it is already annotated")
            except DataError as error:
                if line is None:
                    self._data_report.skip_image(folder / name, str(error))
                else:
                    self._data_report.skip_image(f"{file}:{line}", f"'{name}': {error}")
                continue
            seen.add(image)
            if isinstance(labels, Labels):
                labels.exif = declared(labels, self._config.exif_orientation, self.exif)
            assigned.append(assignment or "")
            yield image, labels

    def _find(self, name: str, folder: str) -> str:
        """Return the path of an image.

        Raises:
            DataError: If the image is missing, or the name or a link leads out of the folder.
        """
        inside = False
        for candidate in self.names(name):
            if escapes_root(candidate):
                continue
            inside, path = True, _join(folder, candidate)
            if os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises on long names
                self._path_guard.check(path)
                return path
        if not inside:
            raise DataError(f"the name {name!r} leads out of the image folder")
        for candidate in self.names(name):
            if not escapes_root(candidate) and (found := self._names_in(folder).find(candidate)):
                self._path_guard.check(path := _join(folder, found))
                return path
        raise DataError(f"there is no such image{self._names_in(str(self._root)).hint(name)}")

    def _names_in(self, folder: str) -> FolderNames:
        """Return the names below a folder, which is listed once and only if a name is not found exactly."""
        return self._listings.setdefault(folder, FolderNames(folder))

    def note_unread(self) -> None:
        """Note how many files in the image folders no annotation names, for `check-data`."""
        used = {name for split in self._splits.values() for name in split.files.names()}
        for folder in dict.fromkeys(self._images(split) for split in self._files):
            unread = [f for f in self._names_in(str(folder)).files if _join(str(folder), f) not in used]
            images = sum(is_image_file(folder / file) for file in unread)
            if images:
                self._data_report.note(f"{images:,} images in '{folder}' have no entry in the annotations")
            own = {file.resolve() for file in self._files.values()}
            others = [name for name in unread if not is_image_file(folder / name)]
            others = [name for name in others if (folder / name).resolve() not in own]
            if others:
                self._data_report.note(f"other files in '{folder}', not read: {count_by_suffix(others)}")

    def _file(self, split: str) -> Path | None:
        """Return the annotation file of a split: from the options, or the first match that is free."""
        configured: dict[str, Path] = {
            s: self._root / path for s in SPLITS if (path := getattr(self._config, f"{s}_file"))
        }
        if path := configured.get(split):
            if not path.is_file():
                raise DataError(
                    f"dataset={self._config.name}: there is no file '{path}', which {split}_file names"
                )
            return path
        for pattern in self._names(split):
            matches = set(self._root.glob(pattern)) - set(configured.values())
            candidates = sorted(path for path in matches if path.is_file())
            if len(candidates) > 1:
                names = ", ".join(path.name for path in candidates[:8])
                raise DataError(
                    f"dataset={self._config.name}: '{self._root}' holds {len(candidates)} files"
                    f" '{pattern}'\n"
                    f"  found: {names}{', …' if len(candidates) > 8 else ''}\n"
                    f"  choose one: dataset.{split}_file=…"
                )
            if candidates:
                self._path_guard.check(candidates[0])
                return candidates[0]
        return None

    def _names(self, split: str) -> list[str]:
        names = [name.format(split=split) for name in self.file_names]
        return [*names, *self.whole_names] if split == "train" else names

    def _images(self, split: str) -> Path:
        """Return the image folder of a split: the one in the options, or the first of the usual names."""
        if images := self._config.images:
            if not (folder := self._root / images).is_dir():
                raise DataError(
                    f"dataset={self._config.name}: there is no folder '{folder}', which images names"
                )
            return folder
        folders = (self._root / name.format(split=split) for name in self.image_folders)
        return next((folder for folder in folders if folder.is_dir()), self._root)


def _join(folder: str, name: str) -> str:
    """Return `str(Path(folder, name))`, but much faster if the name needs no normalization."""
    if folder == "." or name.endswith("/") or "//" in name or "./" in name or name.endswith("/."):
        return str(Path(folder, name))
    return f"{folder}/{name}"
