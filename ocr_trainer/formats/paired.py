"""Datasets with one annotation file per image: matching images to annotations and splits."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path, PurePath
from typing import ClassVar, NamedTuple

from ocr_trainer.data.images import is_image, names_in
from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import Labels, declared
from ocr_trainer.formats.assign import SPLITS, fill_missing_splits, read_list, refuse_overlap
from ocr_trainer.formats.labeled import LabeledImages, LazySplits
from ocr_trainer.formats.path_guard import PathGuard
from ocr_trainer.plugin import Context
from ocr_trainer.plugin.options import ExifOrientation, FolderConfig, PairedConfig

Names = Sequence[tuple[str, str]]
"""Pairs of folder names, of images and of their annotations."""


class Folders(NamedTuple):
    """Folders of images and of their annotations; may be the same folder."""

    images: Path
    annotations: Path


class Pair(NamedTuple):
    """Names of an image and its annotation file. Paths would take ten times the memory."""

    image: str
    annotation: str | None


Pairs = dict[str, Pair]
"""By the image's name without suffix."""


def open_root(config: FolderConfig) -> Path:
    """Return the dataset's folder.

    Raises:
        DataError: If the folder does not exist.
    """
    root = Path(config.root).expanduser()
    if not root.is_dir():
        raise DataError(
            f"dataset={config.name}: there is no folder '{root}'\n  set its path: dataset.root=/path/to/it"
        )
    return root


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
        self._folders = self._find_folders()

    @abstractmethod
    def read(self, annotation: Path) -> Labels:
        """Read one annotation file. Record entries that cannot be used in `self._data_report`.

        Raises:
            DataError: If nothing in the file can be used.
        """

    def read_for(self, image: Path, annotation: Path) -> Labels:
        """Read the annotation file of an image; for formats that need the image to understand the file."""
        return self.read(annotation)

    def _open(self, split: str) -> LabeledImages | None:
        pairs = self._members.pop(split, None)  # free the names: they are not needed again
        return None if pairs is None else LabeledImages(self._labeled(split, pairs))

    def _labeled(self, split: str, pairs: Pairs) -> Iterator[tuple[Path, Labels]]:
        folders = self._folders_of(split)
        for pair in pairs.values():
            image = folders.images / pair.image
            self._data_report.read(images=1)
            if pair.annotation is None:
                self._data_report.skip_image(image, f"no annotation file for it in '{folders.annotations}'")
                continue
            try:
                annotation = folders.annotations / pair.annotation
                self._path_guard.check(image)
                self._path_guard.check(annotation)
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
                taken = {path.name for path in listed if path.parent == folders.images}
                members[split] = {n: p for n, p in pools[folders].items() if p.image not in taken}
        shares = {"test": self._config.test_share, "val": self._config.val_share}
        return fill_missing_splits(members, shares, self._config.split_seed)

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

    def _pairs(self, folders: Folders) -> Pairs:
        """Match images and annotations by name. Report those without a partner."""
        annotations = self._annotations(folders.annotations)
        pairs: Pairs = {}
        for image in names_in(folders.images):
            if not is_image(path := PurePath(image)):
                continue
            if path.stem in pairs:
                other = pairs[path.stem].image
                self._data_report.read(images=1)
                self._data_report.skip_image(
                    folders.images / image, f"its annotation already belongs to '{other}'"
                )
                continue
            names = (f"{prefix}{name}" for prefix in self.prefixes for name in (path.stem, image))
            name = next((name for name in names if name in annotations), None)
            pairs[path.stem] = Pair(image, None if name is None else annotations.pop(name))
        if not self._lists:  # with a list, files that it leaves out may lack an image
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
        return {PurePath(name).stem: name for name in reversed(found)}  # reversed: the first suffix wins

    def _find_folders(self) -> dict[str, Folders]:
        """Find the folders: from the options, as in the original, under common names, or one for all."""
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
        selected = {split: folders for split, folders in found.items() if folders} or self._unknown()
        for folder in (folder for folders in selected.values() for folder in folders):
            self._path_guard.check(folder)
        resolved = {split: folders.images.resolve() for split, folders in selected.items()}
        for split, folder in resolved.items():
            if (other := next(s for s, path in resolved.items() if path == folder)) != split:
                raise DataError(
                    f"dataset={config.name}: '{folder}' would be both {other} and {split}, but no image"
                    " may be in two splits\n  set the folder of the other images, or a list for each split"
                )
        return selected

    def _names(self, split: str) -> list[tuple[str, str]]:
        """Return candidate folders of a split: as in the original, or below the common folders."""
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
            f"dataset={self._config.name}: '{self._root}' holds no images with annotations\n"
            f"  looked for: {looked}\n"
            f"  found: {', '.join(there[:8]) or 'nothing'}{', …' if len(there) > 8 else ''}\n"
            "  set their paths: dataset.images=… dataset.annotations=…"
        )


def _first(root: Path, names: Names) -> Folders | None:
    candidates = (Folders(root / images, root / annotations) for images, annotations in names)
    return next((found for found in candidates if found.images.is_dir() and found.annotations.is_dir()), None)


def _mixed(folder: Path) -> Folders | None:
    """Return a folder that holds both images and their annotations, or None."""
    return Folders(folder, folder) if any(is_image(PurePath(name)) for name in names_in(folder)) else None
