"""`Words`: images of words or lines, and a list of their texts per split."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from ocr_trainer.data.image_kinds import SUFFIXES
from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import read_rows
from ocr_trainer.formats.listed import Annotated, ListedDataset, path_suffixes
from ocr_trainer.formats.texts import is_usable
from ocr_trainer.plugin import DataReport
from ocr_trainer_words.forms import FORMS, Parser, by_header, find_form
from ocr_trainer_words.plugin import LISTS, WHOLE_LISTS, Form, WordsConfig

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
        parse, header = self._parser(file)
        for line, row in read_rows(file, data_report):
            if line == header:
                continue
            try:
                name, text = parse(row)
            except ValueError as error:
                data_report.read(labels=1)
                data_report.skip_label(file, line, str(error))
                continue
            data_report.read(images=1, labels=1)
            if text.strip() not in dont_care and is_usable(text, data_report, file, line):
                yield Annotated(name.strip(), text, None, line)

    def _parser(self, file: Path) -> tuple[Parser, int]:
        """Return the parser of a list and the line number of its header, 0 if it has none."""
        rows = list(islice(read_rows(file, DataReport()), SAMPLED_ROWS))
        if rows and self._config.form in (None, Form.csv, Form.tab) and (parse := by_header(rows[0][1])):
            return parse, rows[0][0]
        form = self._config.form or find_form([row for _, row in rows])
        if form is None and rows:
            raise DataError(
                f"'{file}' is not a list of images and texts: {rows[0][1][:60]!r}\n"
                '  known forms: NAME, "TEXT"; NAME<tab>TEXT; NAME,TEXT; NAME TEXT\n'
                f"  where NAME ends with {', '.join(sorted(SUFFIXES))}\n"
                f"  or set the form: dataset.form={'|'.join(form.value for form in Form)}"
            )
        return FORMS[form or Form.space], 0

    def _images(self, split: str) -> Path:
        """Return the folder that names are relative to: `images`, or the first one with an image."""
        if self._config.images:
            return super()._images(split)
        file = self._files[split]
        parse, header = self._parser(file)
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
