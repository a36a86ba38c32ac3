"""`Icdar2015` and `Sroie`: a folder of images, one file of rows per image."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from ocr_trainer.errors import DataError
from ocr_trainer.plugin import Context
from ocr_trainer.training.annotations import LabelledImages, Labels, LazySplits
from ocr_trainer.training.images import files_in, is_image
from ocr_trainer.training.splits import SPLITS, carve_missing, read_list, refuse_overlap
from ocr_trainer_icdar.layout import Folders, icdar2015_folders, open_root, sroie_folders
from ocr_trainer_icdar.plugin import Icdar2015Config, RowsConfig, SroieConfig
from ocr_trainer_icdar.rows import read_labels


class Pair(NamedTuple):
    """An image and its annotation file."""

    image: Path
    annotation: Path | None


Pairs = dict[str, Pair]
"""By the image's name without suffix."""


class RowDataset(LazySplits):
    """Three splits, each read when it is first asked for."""

    suffixes: tuple[str, ...] = (".txt",)
    """Of annotation files; the first that an image has counts."""
    prefix = ""
    """What the name of an annotation file may have before that of its image."""

    def __init__(self, config: RowsConfig, context: Context, root: Path, folders: dict[str, Folders]) -> None:
        self._config = config
        self._ledger = context.ledger
        self._root = root
        self._folders = folders

    @staticmethod
    @abstractmethod
    def is_ignored(text: str) -> bool:
        """Tell by its text whether a label is "don't care"."""

    def _open(self, split: str) -> LabelledImages | None:
        if split not in self._members:
            return None
        files: list[Path] = []
        labels: list[Labels] = []
        for image, annotation in self._members[split].values():
            self._ledger.read(images=1)
            if annotation is None:
                self._ledger.skip_image(
                    image, f"no annotation file for it in '{self._home(split).annotations}'"
                )
                continue
            try:
                labels.append(read_labels(annotation, self.is_ignored, self._ledger))
            except DataError as fault:
                self._ledger.skip_image(image, str(fault))
                continue
            files.append(image)
        return LabelledImages(files, labels)

    @cached_property
    def _members(self) -> dict[str, Pairs]:
        """The images of each split: as lists say, then as folders say, then by share."""
        pools = {folders: self._pairs(folders) for folders in self._folders.values()}
        members = {s: read_list(p, pools[self._home(s)], self._ledger) for s, p in self._lists.items()}
        images = {split: [pair.image for pair in pairs.values()] for split, pairs in members.items()}
        refuse_overlap(images, self._lists)
        listed = {image for split in images.values() for image in split}
        for split, folders in self._folders.items():
            if split not in members:
                members[split] = {n: p for n, p in pools[folders].items() if p.image not in listed}
        shares = {"test": self._config.test_share, "val": self._config.val_share}
        return carve_missing(members, shares, self._config.split_seed)

    @cached_property
    def _lists(self) -> dict[str, Path]:
        given = {split: getattr(self._config, f"{split}_list") for split in SPLITS}
        paths = {split: self._root / (path or f"{split}.txt") for split, path in given.items()}
        return {split: path for split, path in paths.items() if given[split] or path.is_file()}

    def _home(self, split: str) -> Folders:
        """Return the folders that hold a split: its own, or those it shares with 'train'."""
        return self._folders.get(split) or self._folders.get("train") or next(iter(self._folders.values()))

    def _pairs(self, folders: Folders) -> Pairs:
        """Match images and annotations by name; what has no partner goes into the ledger."""
        annotations = self._annotations(folders.annotations)
        pairs: Pairs = {}
        for image in filter(is_image, files_in(folders.images)):
            stem = image.stem
            if stem in pairs:
                self._ledger.read(images=1)
                self._ledger.skip_image(
                    image, f"one annotation cannot serve both it and '{pairs[stem].image.name}'"
                )
                continue
            pairs[stem] = Pair(
                image, annotations.pop(self.prefix + stem, None) or annotations.pop(stem, None)
            )
        if not self._lists:  # a list chooses, and what it leaves out may well be without an image
            for path in annotations.values():
                self._ledger.read(images=1)
                self._ledger.skip_image(path, f"no image for this annotation in '{folders.images}'")
        return pairs

    def _annotations(self, folder: Path) -> dict[str, Path]:
        lists = set(self._lists.values())
        files = [path for path in files_in(folder) if path not in lists]
        found = [p for suffix in self.suffixes for p in files if p.suffix.lower() == suffix]
        return {path.stem: path for path in reversed(found)}


class Icdar2015(RowDataset):
    """ICDAR 2015 robust reading, challenge 4; `###` is "don't care"."""

    prefix = "gt_"

    def __init__(self, config: Icdar2015Config, context: Context) -> None:
        root = open_root(config)
        super().__init__(config, context, root, icdar2015_folders(config, root))

    @staticmethod
    def is_ignored(text: str) -> bool:
        """Tell by its text whether a label is "don't care"."""
        return text == "###"


class Sroie(RowDataset):
    """ICDAR 2019 SROIE; a text of asterisks alone, such as a Chinese line's, is "don't care"."""

    suffixes = (".csv", ".txt")

    def __init__(self, config: SroieConfig, context: Context) -> None:
        root = open_root(config)
        super().__init__(config, context, root, sroie_folders(config, root))

    @staticmethod
    def is_ignored(text: str) -> bool:
        """Tell by its text whether a label is "don't care"."""
        return bool(text) and not text.strip("*")
