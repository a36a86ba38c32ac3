"""Datasets with one annotation file per image: matching images to annotations and splits."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import ClassVar, NamedTuple

from ocr_trainer.data.listing import count_by_suffix, files_below, is_image_file
from ocr_trainer.errors import DataError
from ocr_trainer.formats import untranscribed
from ocr_trainer.formats.annotations import Labels, declared
from ocr_trainer.formats.assign import SPLITS, fill_missing_splits, read_list, refuse_overlap
from ocr_trainer.formats.folders import Folders, FolderSearch, Names, open_root
from ocr_trainer.formats.labeled import LabeledImages, LazySplits
from ocr_trainer.formats.names import FolderNames, NameIndex, without_suffix
from ocr_trainer.formats.path_guard import PathGuard
from ocr_trainer.plugin import Context
from ocr_trainer.plugin.options import ExifOrientation, PairedConfig

__all__ = ["Folders", "Names", "Pair", "PairedDataset", "Pairs", "is_flat", "open_root"]


class Pair(NamedTuple):
    """Names of an image and its annotation file. Paths would take ten times the memory."""

    image: str
    annotation: str | None


Pairs = dict[str, Pair]
"""By the image's name without suffix, relative to its folder."""


class PairedDataset(LazySplits[LabeledImages]):
    """Three splits, each read on first access. A format implements `read` for one annotation file.

    Raises:
        DataError: If the folder is missing, or contains no images with annotations.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".txt",)
    """Suffixes of annotation files, best first."""
    prefixes: ClassVar[tuple[str, ...]] = ("",)
    """What may precede the image's name, with or without its suffix, in the name of an annotation file."""
    folders: ClassVar[Mapping[str, Names]] = {}
    """Folders of each split in the original dataset."""
    usual: ClassVar[Names] = [("images", "gt"), ("images", "annotations")]
    """Common folder names for the whole dataset, or for one split in a subfolder of the split's name."""
    exif: ClassVar[ExifOrientation] = ExifOrientation.auto
    """What outlines of the format refer to, of photographs with an EXIF orientation; `auto` if it varies."""

    def __init__(self, config: PairedConfig, context: Context) -> None:
        self._config = config
        self._data_report = context.data_report
        self._root = open_root(config)
        self._path_guard = PathGuard(self._root, config)
        self._folders = FolderSearch(self._root, config, self.folders, self.usual, self.suffixes).find()
        for folder in (folder for folders in self._folders.values() for folder in folders):
            self._path_guard.check(folder)
        self._opened: dict[str, LabeledImages] = {}

    @abstractmethod
    def read(self, annotation: Path) -> Labels:
        """Read one annotation file. Record entries that cannot be used in `self._data_report`.

        Raises:
            DataError: If nothing in the file can be used.
        """

    def read_for(self, image: Path, annotation: Path) -> Labels:
        """Read the annotation file of an image; for formats that need the image to understand the file."""
        return self.read(annotation)

    def _may_annotate(self, path: Path) -> bool:
        return path.name.lower().endswith(self.suffixes)

    def _open(self, split: str) -> LabeledImages | None:
        images = self._read(split)
        if images is not None and untranscribed.undecided(images, self._config):
            every = [other for name in SPLITS if (other := self._read(name)) is not None]
            untranscribed.decide(every, self._config, self._data_report)
        return images

    def _read(self, split: str) -> LabeledImages | None:
        """Read a split, once."""
        pairs = self._members.pop(split, None)  # free the names: they are not needed again
        if pairs is not None:
            self._opened[split] = LabeledImages(self._labeled(split, pairs))
        return self._opened.get(split)

    def _labeled(self, split: str, pairs: Pairs) -> Iterator[tuple[Path, Labels]]:
        folders = self._folders_of(split)
        for pair in pairs.values():
            image = folders.images / pair.image
            self._data_report.read(images=1)
            if pair.annotation is None:
                hint = self._below_root.hint(pair.image, self._may_annotate)
                self._data_report.skip_image(
                    image, f"no annotation file for it in '{folders.annotations}'{hint}"
                )
                continue
            try:
                annotation = folders.annotations / pair.annotation
                self._path_guard.check(image)
                self._path_guard.check(annotation)
                self._data_report.order_corners = self._config.order_corners
                labels = self.read_for(image, annotation)
            except DataError as error:
                self._data_report.skip_image(image, str(error))
                continue
            labels.exif = declared(labels, self._config.exif_orientation, self.exif)
            yield image, labels

    @cached_property
    def _members(self) -> dict[str, Pairs]:
        """Images of each split: from lists first, then from folders, then by share."""
        pools = {folders: self._pairs(folders) for folders in self._folders.values()}
        members = {
            s: read_list(p, pools[self._folders_of(s)], self._data_report) for s, p in self._lists.items()
        }
        images = {
            split: [self._folders_of(split).images / pair.image for pair in pairs.values()]
            for split, pairs in members.items()
        }
        refuse_overlap(images, self._lists)
        listed = {image for split in images.values() for image in split}
        for split, folders in self._folders.items():
            if split not in members:
                pool = pools[folders].items()
                members[split] = {n: p for n, p in pool if folders.images / p.image not in listed}
        shares = {"test": self._config.test_share, "val": self._config.val_share}
        if "train" not in members:
            return members
        # A share of images without annotations would be an empty split.
        bare = {name: pair for name, pair in members["train"].items() if pair.annotation is None}
        members["train"] = {name: pair for name, pair in members["train"].items() if name not in bare}
        filled = fill_missing_splits(members, shares, self._config.split_seed)
        return filled | {"train": filled["train"] | bare}

    @cached_property
    def _lists(self) -> dict[str, Path]:
        given = {split: getattr(self._config, f"{split}_list") for split in SPLITS}
        paths = {split: self._root / (path or f"{split}.txt") for split, path in given.items()}
        found = {split: path for split, path in paths.items() if given[split] or path.is_file()}
        for path in found.values():
            self._path_guard.check(path)
        return found

    def _folders_of(self, split: str) -> Folders:
        """Return the folders of a split: its own, or those it shares with "train"."""
        return self._folders.get(split) or self._folders.get("train") or next(iter(self._folders.values()))

    def is_annotation(self, path: Path) -> bool:
        """Return whether a file without an image is of this format, judged by its beginning."""
        return True

    def _pairs(self, folders: Folders) -> Pairs:
        """Match images and annotations by name, in subfolders, too. Report those without a partner."""
        images = self._list_images(folders)
        annotations = self._annotations(folders.annotations, not is_flat(folders, images))
        known = NameIndex(annotations)
        pairs: Pairs = {}
        alone = []
        for image in images:
            path = PurePosixPath(image)
            stem = without_suffix(image)
            if stem in pairs:
                other = pairs[stem].image
                self._skip(folders.images / image, f"its annotation already belongs to '{other}'")
                continue
            tried = (path.with_name(p + n).as_posix() for p in self.prefixes for n in (path.stem, path.name))
            name = next((found for one in tried if (found := known.find(one)) in annotations), None)
            if name is None and len(path.parts) > 1:
                alone.append(image)
                continue
            pairs[stem] = Pair(image, None if name is None else annotations.pop(name))
        self._report_left(folders, list(annotations.values()), alone)
        return pairs

    def _list_images(self, folders: Folders) -> list[str]:
        """Return the images of a folder, and count its files that are neither images nor annotations.

        Subfolders are read unless images and annotations lie together in the folder itself.
        """
        files = self._files(folders.images)
        every = [name for name in files if is_image_file(folders.images / name)]
        images = [name for name in every if "/" not in name] if is_flat(folders, every) else every
        if len(images) < len(every):
            nested = len(every) - len(images)
            self._data_report.note(f"{nested:,} images in subfolders of '{folders.images}' are not read")
        others = sorted(name for name in set(files).difference(every) if "/" not in name)
        if folders.images == folders.annotations:
            others = [name for name in others if not name.lower().endswith(self.suffixes)]
        else:
            names = (name for name in self._files(folders.annotations) if "/" not in name)
            other = [name for name in names if not name.lower().endswith(self.suffixes)]
            self._note_others(folders.annotations, other)
        self._note_others(folders.images, others)
        return images

    def _note_others(self, folder: Path, names: Sequence[str]) -> None:
        """Count files that are neither images nor annotations of this format."""
        if names:
            self._data_report.note(f"other files in '{folder}', not read: {count_by_suffix(names)}")

    def _files(self, folder: Path) -> list[str]:
        """Return the relative names of the files below a folder, without lists and other splits."""
        lists = set(self._lists.values())
        homes = {home for folders in self._folders.values() for home in folders} - {folder}
        return [name for name in files_below(folder, without=homes) if folder / name not in lists]

    def _report_left(self, folders: Folders, annotations: Sequence[str], images: Sequence[str]) -> None:
        """Report annotations without an image; count nested files without a partner, and other files."""
        deeper = [] if self._lists else [name for name in annotations if "/" in name]
        for folder, names, what in (
            (folders.annotations, deeper, "annotation files in subfolders of '{}' have no image"),
            (folders.images, images, "images in subfolders of '{}' have no annotation file"),
        ):
            if names:
                text = what.format(folder)
                self._data_report.note(f"{len(names):,} {text} and are not read, such as '{names[0]}'")
        others = []
        for annotation in (name for name in annotations if "/" not in name):
            path = folders.annotations / annotation
            if not (path.is_symlink() or self.is_annotation(path)):
                others.append(annotation)
            elif not self._lists:  # with a list, files that it leaves out may lack an image
                prefix = next((p for p in self.prefixes if p and path.name.startswith(p)), "")
                hint = self._below_root.hint(path.name.removeprefix(prefix))
                self._skip(path, f"no image for this annotation in '{folders.images}'{hint}")
        self._note_others(folders.annotations, others)

    def _skip(self, path: Path, reason: str) -> None:
        """Record a file as an image that cannot be used."""
        self._data_report.read(images=1)
        self._data_report.skip_image(path, reason)

    @cached_property
    def _below_root(self) -> FolderNames:
        return FolderNames(self._root)

    def _annotations(self, folder: Path, nested: bool) -> dict[str, str]:
        """Return the relative names of the annotation files by their name without suffix."""
        names = [name for name in self._files(folder) if nested or "/" not in name]
        found = [n for suffix in self.suffixes for n in names if n.lower().endswith(suffix)]
        # Reversed: the first suffix wins.
        return {without_suffix(name): name for name in reversed(found)}


def is_flat(folders: Folders, images: Sequence[str]) -> bool:
    """Return whether images and annotations lie together, directly in one folder."""
    return folders.images == folders.annotations and any("/" not in name for name in images)
