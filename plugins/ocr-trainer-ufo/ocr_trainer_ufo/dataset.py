"""`Ufo`: a JSON file per split, or one for all, and folders of images."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ocr_trainer.errors import DataError
from ocr_trainer.plugin import Context
from ocr_trainer.training.annotations import LabelledImages, Labels, LazySplits
from ocr_trainer.training.splits import SPLITS, carve_missing, refuse_overlap
from ocr_trainer_ufo.document import Entry, read_document, read_labels
from ocr_trainer_ufo.plugin import UfoConfig

JSON_NAMES = ("ufo/{}.json", "{}.json", "annotations/{}.json")
IMAGE_FOLDERS = ("img/{}", "images/{}", "img", "images", "{}", ".")


class Annotated(NamedTuple):
    """What a UFO file says of one image."""

    file: Path
    entry: Entry
    image: Path


Members = dict[str, dict[str, Annotated]]
"""By split, and by the image's name in the file."""


class Ufo(LazySplits):
    """Three splits, each read when it is first asked for.

    Raises:
        DataError: If there is no such folder, or no UFO file in it.
    """

    def __init__(self, config: UfoConfig, context: Context) -> None:
        self._config = config
        self._ledger = context.ledger
        self._root = Path(config.root).expanduser()
        if not self._root.is_dir():
            raise DataError(
                f"dataset={config.name}: there is no folder '{self._root}'\n"
                "  say where the dataset is: dataset.root=/path/to/it"
            )
        found = {split: self._json(split) for split in SPLITS}
        self._files = {split: path for split, path in found.items() if path}
        if not self._files:
            raise DataError(
                f"dataset={config.name}: '{self._root}' holds no UFO file where it is looked for\n"
                f"  looked for: {', '.join(self._names('train'))}\n"
                "  or say where it is: dataset.train_json=…"
            )

    def _open(self, split: str) -> LabelledImages | None:
        if split not in self._members:
            return None
        files: list[Path] = []
        labels: list[Labels] = []
        for name, (file, entry, image) in self._members[split].items():
            self._ledger.read(images=1)
            try:
                self._check(name, image)
                found = read_labels(entry, file, name, self._config.ignore_untranscribed, self._ledger)
            except DataError as fault:
                self._ledger.skip_image(image, str(fault))
                continue
            files.append(image)
            labels.append(found)
        return LabelledImages(files, labels)

    @cached_property
    def _members(self) -> Members:
        """The images of each split.

        All files are read as soon as one is needed, so that an image in two of them comes out
        before training and not after it.
        """
        members: Members = {}
        for split, file in self._files.items():
            folder = self._images(split)
            entries = read_document(file).items()
            members[split] = {name: Annotated(file, entry, folder / name) for name, entry in entries}
        images = {split: [one.image for one in members[split].values()] for split in members}
        refuse_overlap(images, self._files)
        shares = {"test": self._config.test_share, "val": self._config.val_share}
        return carve_missing(members, shares, self._config.split_seed)

    @staticmethod
    def _check(name: str, image: Path) -> None:
        """Refuse a name that leads out of the folder of images, and one of no image."""
        parts = PurePosixPath(name.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts or "\0" in name:
            raise DataError(f"the name {name!r} leads out of the folder of images")
        if not image.is_file():
            raise DataError("there is no such image")

    def _names(self, split: str) -> list[str]:
        alone = ["ufo/annotation.json", "annotation.json"] if split == "train" else []
        return [name.format(split) for name in JSON_NAMES] + alone

    def _json(self, split: str) -> Path | None:
        """Return the file of a split: the one given, or the first of the usual names."""
        if given := getattr(self._config, f"{split}_json"):
            if not (path := self._root / given).is_file():
                raise DataError(f"dataset={self._config.name}: there is no file '{path}' for {split}_json")
            return path
        return next((path for name in self._names(split) if (path := self._root / name).is_file()), None)

    def _images(self, split: str) -> Path:
        """Return the folder of a split's images: the one given, or the first of the usual names."""
        if given := self._config.images:
            if not (folder := self._root / given).is_dir():
                raise DataError(f"dataset={self._config.name}: there is no folder '{folder}' for images")
            return folder
        folders = (self._root / name.format(split) for name in IMAGE_FOLDERS)
        return next(folder for folder in folders if folder.is_dir())
