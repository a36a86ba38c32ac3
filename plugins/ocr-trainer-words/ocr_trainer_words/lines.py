"""`Lines`: images of text lines with a text file beside each.

The form of OCRopus, Kraken, Calamari, OCR-D and Tesseract's tesstrain: `0001.png` or `0001.nrm.png` with
`0001.gt.txt`. A text file has one row; files with several belong to a page or paragraph and are skipped.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ocr_trainer.data.listing import count_by_suffix, is_image_file
from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import read_rows
from ocr_trainer.formats.assign import SPLITS, fill_missing_splits, refuse_overlap
from ocr_trainer.formats.labeled import LazySplits
from ocr_trainer.formats.names import FolderNames, NameIndex, composed, path_suffixes
from ocr_trainer.formats.paired import open_root
from ocr_trainer.formats.path_guard import PathGuard
from ocr_trainer.formats.texts import TextImages, is_usable
from ocr_trainer.plugin import Context
from ocr_trainer_words.plugin import LinesConfig

GROUND_TRUTH = (".gt.txt", ".txt")
"""Suffixes of text files, in order of preference."""
PREDICTIONS = (".pred.txt", ".bin.txt", ".nrm.txt")
"""Suffixes of texts that programs wrote: they are never used as ground truth."""
VARIANTS = ("", ".nrm", ".bin")
"""Order of preference among several images of a line: plain, gray, bitonal, then any other."""


class Line(NamedTuple):
    """The names of an image and of its text, relative to the root."""

    image: str
    text: str


class Lines(LazySplits[TextImages]):
    """Three splits: by lists, by folders `train`, `val` and `test`, or by random shares.

    Raises:
        DataError: The folder does not exist or has no image with a text.
    """

    def __init__(self, config: LinesConfig, context: Context) -> None:
        self._config = config
        self._data_report = context.data_report
        self._root = open_root(config)
        self._path_guard = PathGuard(self._root, config)
        lists = {split: getattr(config, f"{split}_list") for split in SPLITS}
        paths = {split: self._root / (path or f"{split}.txt") for split, path in lists.items()}
        self._lists = {split: path for split, path in paths.items() if lists[split] or path.is_file()}
        for path in self._lists.values():
            self._path_guard.check(path)

    def _open(self, split: str) -> TextImages | None:
        lines = self._members.get(split)
        return None if lines is None else TextImages(self._labeled(lines))

    def _labeled(self, lines: dict[str, Line]) -> Iterator[tuple[Path, str]]:
        for image, file in lines.values():
            self._data_report.read(images=1)
            try:
                self._path_guard.check(self._root / image)
                self._path_guard.check(self._root / file)
                text = self._text(self._root / file)
            except DataError as error:
                self._data_report.skip_image(self._root / image, str(error))
                continue
            if text is not None:
                yield self._root / image, text

    def _text(self, file: Path) -> str | None:
        """Return the text of a line, or None if the file cannot be used; it is then recorded as skipped.

        Raises:
            DataError: The file cannot be read or is UTF-16.
        """
        entries = len(self._data_report.skipped)
        rows = list(read_rows(file, self._data_report))
        if len(self._data_report.skipped) > entries:  # read_rows has recorded that it is not UTF-8
            return None
        self._data_report.read(labels=1)
        if len(rows) > 1:
            self._data_report.skip_label(file, rows[1][0], f"{len(rows)} rows are not the text of one line")
            return None
        text = rows[0][1] if rows else ""
        return text if is_usable(text, self._data_report, file, None) else None

    @cached_property
    def _members(self) -> dict[str, dict[str, Line]]:
        """Return the lines of each split, by their names without suffixes."""
        found = {split: self._below(split) for split in SPLITS if (self._root / split).is_dir()}
        folders = {split: lines for split, lines in found.items() if lines}
        every = {name: line for lines in folders.values() for name, line in lines.items()}
        if not folders:
            every = self._below("")
            folders = {"train": every}
        if not every:
            raise DataError(
                f"dataset={self._config.name}: '{self._root}' has no line, that is an image with its text"
                " beside it\n"
                "  looked for: NAME.png, NAME.nrm.png, … and NAME.gt.txt or NAME.txt, in all folders"
            )
        members = {split: self._listed(path, every) for split, path in self._lists.items()}
        images = {s: [line.image for line in lines.values()] for s, lines in members.items()}
        refuse_overlap(images, self._lists)
        taken = {name for lines in members.values() for name in lines}
        for split, lines in folders.items():
            if split not in members:
                members[split] = {name: line for name, line in lines.items() if name not in taken}
        shares = {"test": self._config.test_share, "val": self._config.val_share}
        return fill_missing_splits(members, shares, self._config.split_seed)

    def _listed(self, path: Path, known: dict[str, Line]) -> dict[str, Line]:
        """Return the lines that a list names, one per row, with or without suffixes.

        Leading folders that do not exist are ignored; a bare name must then match exactly one line.
        """
        if not path.is_file():
            raise DataError(f"there is no list file '{path}'")
        ends: dict[str, list[str]] = {}
        for name in known:
            ends.setdefault(composed(PurePosixPath(name).name), []).append(name)
        index = NameIndex(known)
        listed: dict[str, Line] = {}
        for number, row in read_rows(path, self._data_report):
            stems = (stem for tail in path_suffixes(row.strip()) for stem in _stems(tail))
            key = next((found for stem in stems if (found := index.find(stem))), None)
            base = PurePosixPath(row.strip().replace("\\", "/")).name
            others = next((ends[stem] for stem in map(composed, _stems(base)) if stem in ends), [])
            key = key or (others[0] if len(others) == 1 else None)
            if key and key not in listed:
                listed[key] = known[key]
                continue
            self._data_report.read(images=1)
            reason = "is listed twice" if key else "is not the name of a line"
            if not key and others:
                more = ", …" if len(others) > 2 else ""
                reason = f"matches {len(others)} lines: '{others[0]}', '{others[1]}'{more}"
            self._data_report.skip_image(f"{path}:{number}", f"'{row.strip()}' {reason}")
        return listed

    def _below(self, folder: str) -> dict[str, Line]:
        """Match images and texts by name; files without a partner are recorded as skipped."""
        lists = set(self._lists.values())
        images: list[str] = []
        texts: dict[str, str] = {}
        others: list[str] = []
        for file in self._walk(folder):
            suffix = next((suffix for suffix in GROUND_TRUTH if file.endswith(suffix)), None)
            if is_image_file(self._root / file):
                images.append(file)
            elif suffix and not file.endswith(PREDICTIONS) and self._root / file not in lists:
                stem = file.removesuffix(suffix)
                if suffix == GROUND_TRUTH[0] or stem not in texts:
                    texts[stem] = file
            elif suffix is None and self._root / file not in lists:
                others.append(file)
        if others:
            self._data_report.note(
                f"other files in '{self._root / folder}', not read: {count_by_suffix(others)}"
            )
        known = NameIndex(texts)
        lines: dict[str, Line] = {}
        for image in sorted(images, key=_rank):
            name = next((found for stem in _stems(image) if (found := known.find(stem))), None)
            if name is None:
                hint = self._names.hint(image, lambda path: path.name.endswith(GROUND_TRUTH))
                self._skip(image, f"there is no text file beside it (.gt.txt){hint}")
            elif not image.endswith(self._config.image_suffix):
                continue
            elif name in lines:
                self._skip(image, f"its text already belongs to '{PurePosixPath(lines[name].image).name}'")
            else:
                lines[name] = Line(image, texts[name])
        for name in texts.keys() - lines.keys() if not self._lists else ():
            self._skip(texts[name], f"there is no image beside it{self._names.hint(name)}")
        return {name: lines[name] for name in sorted(lines)}

    @cached_property
    def _names(self) -> FolderNames:
        return FolderNames(self._root)

    def _walk(self, folder: str) -> Iterator[str]:
        """Yield the files below a folder of the root, except hidden ones, in sorted order."""
        for home, folders, files in os.walk(self._root / folder):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            relative = Path(home).relative_to(self._root).as_posix()
            prefix = "" if relative == "." else f"{relative}/"
            yield from (f"{prefix}{name}" for name in sorted(files) if not name.startswith("."))

    def _skip(self, file: str, reason: str) -> None:
        self._data_report.read(images=1)
        self._data_report.skip_image(self._root / file, reason)


def _stems(name: str) -> Iterator[str]:
    """Yield the name, then the name without its suffixes, one suffix at a time."""
    yield name
    while suffix := PurePosixPath(name).suffix:
        name = name.removesuffix(suffix)
        yield name


def _rank(image: str) -> tuple[int, str]:
    variant = PurePosixPath(PurePosixPath(image).stem).suffix
    return VARIANTS.index(variant) if variant in VARIANTS else len(VARIANTS), image
