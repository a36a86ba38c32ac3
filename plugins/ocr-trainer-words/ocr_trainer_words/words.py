"""`Words`: images of words or lines, and a list of their texts per split."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import read_rows
from ocr_trainer.formats.listed import Annotated, ListedDataset, path_suffixes
from ocr_trainer.formats.texts import is_usable
from ocr_trainer.plugin import DataReport
from ocr_trainer_runtime.images.kinds import SUFFIXES
from ocr_trainer_words.forms import FORMS, Parser, Table, by_header, find_form
from ocr_trainer_words.plugin import LISTS, WHOLE_LISTS, Form, WordsConfig

log = logging.getLogger("ocr_trainer")

SAMPLED_ROWS = 100
"""Number of first rows that the form of a list and the folder of its images are detected from."""


class Words(ListedDataset):
    """Lists with a row per image: its name and its text."""

    _config: WordsConfig

    file_names = LISTS
    whole_names = WHOLE_LISTS
    image_folders = (*ListedDataset.image_folders[:-1], "imgs/{split}", "imgs", ".")

    def names(self, name: str) -> Iterable[str]:
        """Yield the name, then the name without its leading folders, one folder at a time."""
        yield name
        if "/" in name or "\\" in name:
            yield from path_suffixes(name)

    def read(self, file: Path) -> Iterator[Annotated]:
        """Yield the image of each row with its labels.

        Raises:
            DataError: The file cannot be read or is not such a list.
        """
        data_report, dont_care = self._data_report, {mark.strip() for mark in self._config.dont_care}
        parse, header, table = self._parser(file)
        if table is not None:
            self._name_unused(file, table)
        for line, row in read_rows(file, data_report):
            if line == header:
                continue
            try:
                name, text = parse(row)
                split = table.split_of(row) if table is not None else None
            except ValueError as error:
                data_report.read(labels=1)
                data_report.skip_label(file, line, str(error))
                continue
            data_report.read(images=1, labels=1)
            if text.strip() not in dont_care and is_usable(text, data_report, file, line):
                yield Annotated(name.strip(), text, split, line)

    def _name_unused(self, file: Path, table: Table) -> None:
        """Log the columns that are not read."""
        unused = table.unused
        if table.split is not None and len(self._files) > 1:
            unused.append("'split' (each split has its own list)")
        if unused:
            log.info("%s: columns that are not used: %s", file, ", ".join(unused))

    def _parser(self, file: Path) -> tuple[Parser, int, Table | None]:
        """Return the parser of a list, the line number of its header, and its columns; 0 and None without."""
        rows = list(islice(read_rows(file, DataReport()), SAMPLED_ROWS))
        if rows and self._config.form in (None, Form.csv, Form.tab) and (table := by_header(rows[0][1])):
            return table.parse, rows[0][0], table
        form = self._config.form or find_form([row for _, row in rows])
        if form is None and rows:
            raise DataError(
                f"'{file}' is not a list of images and texts: {rows[0][1][:60]!r}\n"
                '  known forms: NAME, "TEXT"; NAME<tab>TEXT; NAME,TEXT; NAME TEXT\n'
                f"  where NAME ends with {', '.join(sorted(SUFFIXES))}\n"
                f"  or set the form: dataset.form={'|'.join(form.value for form in Form)}"
            )
        return FORMS[form or Form.space], 0, None

    def _images(self, split: str) -> Path:
        """Return the folder that names are relative to: `images`, or the first one with an image."""
        if self._config.images:
            return super()._images(split)
        file = self._files[split]
        parse, header, _ = self._parser(file)
        names = []
        for line, row in islice(read_rows(file, DataReport()), SAMPLED_ROWS):
            try:
                names += [parse(row)[0].strip()] if line != header else []
            except ValueError:
                continue
        folders = [self._root / name.format(split=split) for name in self.image_folders]
        places = [self._root, file.parent, *(folder for folder in folders if folder.is_dir())]
        return next((folder for folder in places if self._has_one(folder, names)), self._root)

    def _has_one(self, folder: Path, names: Iterable[str]) -> bool:
        for name in names:
            try:
                self._find(name, str(folder))
            except DataError:
                continue
            return True
        return False
