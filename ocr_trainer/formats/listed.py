"""Datasets whose annotations of many images stand in one file."""

from __future__ import annotations

import os.path
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, NamedTuple

from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import Labels
from ocr_trainer.formats.assign import SPLITS, carve_missing, refuse_overlap
from ocr_trainer.formats.labeled import LabeledImages, LazySplits, Strings
from ocr_trainer.formats.paired import open_root
from ocr_trainer.formats.path_guard import PathGuard, leads_out
from ocr_trainer.formats.texts import TextImages
from ocr_trainer.plugin import Context, Task
from ocr_trainer.plugin.options import ListedConfig

DEEPEST = 64
"""Folders within folders; a name with more before it is looked for by the last of them."""


class Annotated(NamedTuple):
    """What an annotation file says of one image."""

    name: str
    labels: Labels | str
    """Its labels, or for recognition what is written on it."""
    split: str | None = None
    """The split it belongs to, where the file says so; counts if one file holds all."""
    line: int | None = None
    """Where the file says it, from 1; given for recognition, where a row is all there is of an image."""


class ListedDataset(LazySplits[Any]):
    """Three splits, from a file each or by share; a format says how to read one file.

    All files are read as soon as one is needed, so that an image in two of them comes out before
    training and not after it.

    Raises:
        DataError: If there is no such folder, or no annotation file in it.
    """

    file_names: ClassVar[tuple[str, ...]] = ()
    """Where the annotations of a `{split}` may be, relative to the root: globs, the first match counts."""
    whole_names: ClassVar[tuple[str, ...]] = ()
    """Where the annotations of the whole set may be, if there are none of 'train'."""
    image_folders: ClassVar[tuple[str, ...]] = (
        "images/{split}",
        "img/{split}",
        "{split}",
        "images",
        "img",
        ".",
    )
    """Where images may be, relative to the root; the first that is there counts."""

    def __init__(self, config: ListedConfig, context: Context) -> None:
        self._config = config
        self._task = context.task
        self._data_report = context.data_report
        self._root = open_root(config)
        self._fence = PathGuard(self._root, config)
        found = {split: self._file(split) for split in SPLITS}
        self._files = {split: path for split, path in found.items() if path}
        if not self._files:
            raise DataError(
                f"dataset={config.name}: '{self._root}' holds no annotation file where it is looked for\n"
                f"  looked for: {', '.join(self._names('train'))}\n"
                "  or say where it is: dataset.train_file=…"
            )

    @abstractmethod
    def read(self, file: Path) -> Iterator[Annotated]:
        """Yield what an annotation file says of each image.

        Count each image with `self._data_report.read(images=1)`; one whose entry cannot be used goes into
        the ledger and is not yielded.

        Raises:
            DataError: If the file cannot be read, or is of another format.
        """

    def names(self, name: str) -> Iterable[str]:
        """Return what an image may be called in the folder of images, the likeliest first."""
        return (name,)

    def _open(self, split: str) -> Any:
        return self._splits.get(split)

    @cached_property
    def _splits(self) -> dict[str, Any]:
        packed: Any = TextImages if self._task is Task.recognition else LabeledImages
        pools: dict[str, Any] = {}
        members: dict[str, dict[str, int]] = {split: {} for split in self._files}
        for split, file in self._files.items():
            folder, homes = self._images(split), Strings()
            pools[split] = packed(self._usable(file, folder, homes))
            start = len(str(folder / "x")) - 1
            for place, image in enumerate(pools[split].files.names()):
                home = homes[place] if homes[place] and len(self._files) == 1 else split
                # By name and not by path: a share must not depend on where the dataset lies.
                members.setdefault(home, {})[image[start:]] = place
        if len(pools) > 1:
            refuse_overlap({split: pool.files.names() for split, pool in pools.items()}, self._files)
        shares = {"test": self._config.test_share, "val": self._config.val_share}
        carved = carve_missing(members, shares, self._config.split_seed)
        first = next(iter(pools.values()))
        return {split: pools.get(split, first).subset(places.values()) for split, places in carved.items()}

    def _usable(self, file: Path, folder: Path, homes: Strings) -> Iterator[tuple[str, Any]]:
        """Yield the images that are there, and append to `homes` the split that each says to belong to."""
        seen: set[str] = set()  # of strings: a million paths would take seconds and a gigabyte
        for name, labels, home, line in self.read(file):
            try:
                image = self._find(name, str(folder))
                if image in seen:
                    raise DataError("it is annotated before")
            except DataError as fault:
                if line is None:
                    self._data_report.skip_image(folder / name, str(fault))
                else:
                    self._data_report.skip_image(f"{file}:{line}", f"'{name}': {fault}")
                continue
            seen.add(image)
            homes.append(home or "")
            yield image, labels

    def _find(self, name: str, folder: str) -> str:
        """Return the image of a name.

        Raises:
            DataError: If there is none, or the name or a link leads out of the folder.
        """
        inside = False
        for candidate in self.names(name):
            if leads_out(candidate):
                continue
            inside, path = True, _join(folder, candidate)
            if os.path.isfile(path):  # noqa: PTH113 - Path.is_file objects to long names
                self._fence.check(path)
                return path
        reason = (
            "there is no such image" if inside else f"the name {name!r} leads out of the folder of images"
        )
        raise DataError(reason)

    def _file(self, split: str) -> Path | None:
        """Return the file of a split: the one given, or the first by name that is not another's."""
        given = {s: self._root / path for s in SPLITS if (path := getattr(self._config, f"{s}_file"))}
        if path := given.get(split):
            if not path.is_file():
                raise DataError(f"dataset={self._config.name}: there is no file '{path}' for {split}_file")
            return path
        for pattern in self._names(split):
            matches = set(self._root.glob(pattern)) - set(given.values())
            found = sorted(path for path in matches if path.is_file())
            if len(found) > 1:
                names = ", ".join(path.name for path in found[:8])
                raise DataError(
                    f"dataset={self._config.name}: '{self._root}' holds {len(found)} files '{pattern}'\n"
                    f"  found: {names}{', …' if len(found) > 8 else ''}\n"
                    f"  say which one to use: dataset.{split}_file=…"
                )
            if found:
                self._fence.check(found[0])
                return found[0]
        return None

    def _names(self, split: str) -> list[str]:
        names = [name.format(split=split) for name in self.file_names]
        return [*names, *self.whole_names] if split == "train" else names

    def _images(self, split: str) -> Path:
        """Return the folder of a split's images: the one given, or the first of the usual names."""
        if given := self._config.images:
            if not (folder := self._root / given).is_dir():
                raise DataError(f"dataset={self._config.name}: there is no folder '{folder}' for images")
            return folder
        folders = (self._root / name.format(split=split) for name in self.image_folders)
        return next((folder for folder in folders if folder.is_dir()), self._root)


def tails(name: str) -> Iterator[str]:
    """Yield a path as it is, and then without its first folder, without its first two, and so on."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    starts = range(max(0, len(parts) - DEEPEST), len(parts))
    yield from ("/".join(parts[start:]).replace("//", "/") for start in starts)


def _join(folder: str, name: str) -> str:
    """Return what `str(Path(folder, name))` does, in a fraction of the time where nothing is to be tidied."""
    if folder == "." or name.endswith("/") or "//" in name or "./" in name or name.endswith("/."):
        return str(Path(folder, name))
    return f"{folder}/{name}"
