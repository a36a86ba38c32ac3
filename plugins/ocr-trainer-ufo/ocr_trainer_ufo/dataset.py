"""`Ufo`: a JSON file per split, or one for all, and folders of images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ocr_trainer.errors import DataError
from ocr_trainer.formats.listed import Annotated, ListedDataset
from ocr_trainer_ufo.document import read_document, read_labels
from ocr_trainer_ufo.plugin import UfoConfig


class Ufo(ListedDataset):
    """Datasets in UFO JSON."""

    _config: UfoConfig

    file_names = ("ufo/{split}.json", "{split}.json", "annotations/{split}.json")
    whole_names = ("ufo/annotation.json", "annotation.json")
    image_folders = ("img/{split}", "images/{split}", "img", "images", "{split}", ".")

    def read(self, file: Path) -> Iterator[Annotated]:
        """Yield what a UFO file says of each image."""
        for name, entry in read_document(file):
            self._data_report.read(images=1)
            try:
                labels = read_labels(entry, file, name, self._config.ignore_untranscribed, self._data_report)
            except DataError as fault:
                self._data_report.skip_image(file, str(fault))
                continue
            yield Annotated(name, labels)
