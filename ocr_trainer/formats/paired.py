"""Datasets with one annotation file per image: who belongs to whom, and to which split."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path, PurePath
from typing import ClassVar, NamedTuple

from ocr_trainer.data.images import is_image, names_in
from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import Labels
from ocr_trainer.formats.assign import SPLITS, carve_missing, read_list, refuse_overlap
from ocr_trainer.formats.labeled import LabeledImages, LazySplits
from ocr_trainer.formats.path_guard import PathGuard
from ocr_trainer.plugin import Context
from ocr_trainer.plugin.options import FolderConfig, PairedConfig

Names = Sequence[tuple[str, str]]
"""Names of folders of images and of annotations that belong together."""


class Folders(NamedTuple):
    """Images and their annotations; it may be one folder."""

    images: Path
    annotations: Path


class Pair(NamedTuple):
    """The names of an image and of its annotation file; a path would take ten times the memory."""

    image: str
    annotation: str | None


Pairs = dict[str, Pair]
"""By the image's name without suffix."""


def open_root(config: FolderConfig) -> Path:
    """Return the dataset's folder.

    Raises:
        DataError: If there is none.
    """
    root = Path(config.root).expanduser()
    if not root.is_dir():
        raise DataError(
            f"dataset={config.name}: there is no folder '{root}'\n"
            "  say where the dataset is: dataset.root=/path/to/it"
        )
    return root


class PairedDataset(LazySplits[LabeledImages]):
    """Three splits, each read when it is first asked for; a format says how to read one annotation file.

    Raises:
        DataError: If there is no such folder, or nothing in it where it is looked for.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".txt",)
    """Of annotation files; the first that an image has counts."""
    prefixes: ClassVar[tuple[str, ...]] = ("",)
    """What the name of an annotation file may have before that of its image, with or without its suffix."""
    folders: ClassVar[Mapping[str, Names]] = {}
    """Where the original set keeps each of its splits."""
    usual: ClassVar[Names] = [("images", "gt"), ("images", "annotations")]
    """Where people keep the whole set, or one split in a folder of the split's name."""

    def __init__(self, config: PairedConfig, context: Context) -> None:
        self._config = config
        self._data_report = context.data_report
        self._root = open_root(config)
        self._fence = PathGuard(self._root, config)
        self._folders = self._find()

    @abstractmethod
    def read(self, annotation: Path) -> Labels:
        """Read one annotation file; what cannot be used of it goes into `self._data_report`.

        Raises:
            DataError: If nothing of it can be used.
        """

    def _open(self, split: str) -> LabeledImages | None:
        pairs = self._members.pop(split, None)  # who they are is not needed again
        return None if pairs is None else LabeledImages(self._labeled(split, pairs))

    def _labeled(self, split: str, pairs: Pairs) -> Iterator[tuple[Path, Labels]]:
        home = self._home(split)
        for pair in pairs.values():
            image = home.images / pair.image
            self._data_report.read(images=1)
            if pair.annotation is None:
                self._data_report.skip_image(image, f"no annotation file for it in '{home.annotations}'")
                continue
            try:
                annotation = home.annotations / pair.annotation
                self._fence.check(image)
                self._fence.check(annotation)
                labels = self.read(annotation)
            except DataError as fault:
                self._data_report.skip_image(image, str(fault))
                continue
            yield image, labels

    @cached_property
    def _members(self) -> dict[str, Pairs]:
        """The images of each split: as lists say, then as folders say, then by share."""
        pools = {folders: self._pairs(folders) for folders in self._folders.values()}
        members = {s: read_list(p, pools[self._home(s)], self._data_report) for s, p in self._lists.items()}
        images = {
            split: [self._home(split).images / pair.image for pair in pairs.values()]
            for split, pairs in members.items()
        }
        refuse_overlap(images, self._lists)
        listed = {image for split in images.values() for image in split}
        for split, folders in self._folders.items():
            if split not in members:
                taken = {path.name for path in listed if path.parent == folders.images}
                members[split] = {n: p for n, p in pools[folders].items() if p.image not in taken}
        shares = {"test": self._config.test_share, "val": self._config.val_share}
        return carve_missing(members, shares, self._config.split_seed)

    @cached_property
    def _lists(self) -> dict[str, Path]:
        given = {split: getattr(self._config, f"{split}_list") for split in SPLITS}
        paths = {split: self._root / (path or f"{split}.txt") for split, path in given.items()}
        found = {split: path for split, path in paths.items() if given[split] or path.is_file()}
        for path in found.values():
            self._fence.check(path)
        return found

    def _home(self, split: str) -> Folders:
        """Return the folders that hold a split: its own, or those it shares with 'train'."""
        return self._folders.get(split) or self._folders.get("train") or next(iter(self._folders.values()))

    def _pairs(self, folders: Folders) -> Pairs:
        """Match images and annotations by name; what has no partner goes into the ledger."""
        annotations = self._annotations(folders.annotations)
        pairs: Pairs = {}
        for image in names_in(folders.images):
            if not is_image(path := PurePath(image)):
                continue
            if path.stem in pairs:
                other = pairs[path.stem].image
                self._data_report.read(images=1)
                self._data_report.skip_image(
                    folders.images / image, f"one annotation cannot serve both it and '{other}'"
                )
                continue
            names = (f"{prefix}{name}" for prefix in self.prefixes for name in (path.stem, image))
            name = next((name for name in names if name in annotations), None)
            pairs[path.stem] = Pair(image, None if name is None else annotations.pop(name))
        if not self._lists:  # a list chooses, and what it leaves out may well be without an image
            for annotation in annotations.values():
                self._data_report.read(images=1)
                reason = f"no image for this annotation in '{folders.images}'"
                self._data_report.skip_image(folders.annotations / annotation, reason)
        return pairs

    def _annotations(self, folder: Path) -> dict[str, str]:
        """Return the names of the annotation files by their stem."""
        lists = {path.name for path in self._lists.values() if path.parent == folder}
        names = [name for name in names_in(folder) if name not in lists]
        found = [n for suffix in self.suffixes for n in names if n.lower().endswith(suffix)]
        return {PurePath(name).stem: name for name in reversed(found)}

    def _find(self) -> dict[str, Folders]:
        """Find the folders: those the options name, the original's, those of usual names, or one for all."""
        config, root = self._config, self._root
        given = {
            "train": self._given(config.images, config.annotations),
            "test": self._given(config.test_images, config.test_annotations),
        }
        found = {split: given.get(split) or _first(root, self._names(split)) for split in SPLITS}
        found["train"] = found["train"] or _first(root, self.usual)
        if not found["train"]:
            below = {split: root / split for split in SPLITS if (root / split).is_dir()}
            for split, folder in below.items():
                found[split] = found[split] or _first(folder, self.usual) or _mixed(folder)
        if not any(found.values()):
            found["train"] = _mixed(root)
        chosen = {split: folders for split, folders in found.items() if folders} or self._unknown()
        for folder in (folder for folders in chosen.values() for folder in folders):
            self._fence.check(folder)
        homes = {split: folders.images.resolve() for split, folders in chosen.items()}
        for split, home in homes.items():
            if (other := next(s for s, folder in homes.items() if folder == home)) != split:
                raise DataError(
                    f"dataset={config.name}: '{home}' would be both {other} and {split}, but no image may"
                    " be in two splits\n  say where the other images are, or which lists name them"
                )
        return chosen

    def _names(self, split: str) -> list[tuple[str, str]]:
        """Return where a split may be: where the original keeps it, or in one folder of each of the usual."""
        usual = [(f"{images}/{split}", f"{annotations}/{split}") for images, annotations in self.usual]
        return [*self.folders.get(split, ()), *usual]

    def _given(self, images: Path | None, annotations: Path | None) -> Folders | None:
        if images is None or annotations is None:
            return None
        for folder in (self._root / images, self._root / annotations):
            if not folder.is_dir():
                raise DataError(f"dataset={self._config.name}: there is no folder '{folder}'")
        return Folders(self._root / images, self._root / annotations)

    def _unknown(self) -> dict[str, Folders]:
        there = sorted(entry.name + "/" * entry.is_dir() for entry in self._root.iterdir())
        names = [pair for pairs in (*self.folders.values(), self.usual) for pair in pairs]
        looked = "; ".join(f"{images}/ with {annotations}/" for images, annotations in dict.fromkeys(names))
        raise DataError(
            f"dataset={self._config.name}: '{self._root}' holds no images and annotations where they are"
            " looked for\n"
            f"  looked for: {looked}\n"
            f"  found: {', '.join(there[:8]) or 'nothing'}{', …' if len(there) > 8 else ''}\n"
            "  or say where they are: dataset.images=… dataset.annotations=…"
        )


def _first(root: Path, names: Names) -> Folders | None:
    candidates = (Folders(root / images, root / annotations) for images, annotations in names)
    return next((found for found in candidates if found.images.is_dir() and found.annotations.is_dir()), None)


def _mixed(folder: Path) -> Folders | None:
    """Return a folder that holds images and, beside them, their annotations."""
    return Folders(folder, folder) if any(is_image(PurePath(name)) for name in names_in(folder)) else None
