"""Descriptions of `words` and `lines`; importing them loads no reader."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from ocr_trainer.plugin import DatasetPlugin, FormatSignature, Task
from ocr_trainer.plugin.options import ExifOrientation, FolderConfig, ListedConfig


class Form(Enum):
    """Format of the rows of a list."""

    quoted = "quoted"
    """`word_1.png, "TEXT"`, as of ICDAR."""
    tab = "tab"
    """`word_1.png`, a tab, and the text, as of PaddleOCR and MMOCR; TSV."""
    mjsynth = "mjsynth"
    """`./2425/1/115_TEXT_42.jpg 42`, as of MJSynth: the text is in the name."""
    csv = "csv"
    """`word_1.png,TEXT`, with or without a header."""
    space = "space"
    """`word_1.png TEXT`, as of IIIT5K and MMOCR."""


@dataclass
class WordsConfig(ListedConfig):
    """The options of `words`."""

    form: Form | None = None
    """Format of the rows; detected from the first rows if null."""

    dont_care: list[str] = field(default_factory=lambda: ["###"])
    """Texts that mean "don't care"; images with such a text are left out."""

    def validate(self) -> Iterator[str]:
        """Yield a message for each invalid combination of options."""
        yield from super().validate()
        if self.exif_orientation is not ExifOrientation.auto:
            yield "words have no outlines: their images are read as they are shown, without exif_orientation"


@dataclass
class LinesConfig(FolderConfig):
    """The options of `lines`."""

    train_list: Path | None = None
    """A file that names the training images, one per row; if null, `train.txt` if it exists."""

    val_list: Path | None = None
    """A file that names the validation images; if null, `val.txt` if it exists."""

    test_list: Path | None = None
    """A file that names the test images; if null, `test.txt` if it exists."""

    image_suffix: str = ""
    """Suffix of the images, such as `.bin.png`, if lines have several images; any suffix if empty."""


LISTS = (
    *("{split}.tags", "{split}.txt", "{split}.tsv", "{split}.csv"),
    *("{split}_gt.txt", "gt_{split}.txt", "rec_gt_{split}.txt"),
    *("{split}_label.txt", "{split}_labels.txt", "label_{split}.txt", "{split}_list.txt"),
    *("annotation_{split}.txt", "{split}/gt.txt", "{split}/label.txt", "{split}/labels.txt"),
    *("{split}/labels.tsv", "{split}/labels.csv"),
)
"""Names of the list of a split."""

WHOLE_LISTS = (
    *("gt.txt", "gt.tsv", "gt.csv", "label.txt", "label.tsv", "label.csv"),
    *("labels.txt", "labels.tsv", "labels.csv", "old_label.txt", "annotation.txt"),
)
"""Names of the list of all splits together."""

_ROW = r'(?m)^[^\t\r\n"]+\.(?i:png|jpe?g|tiff?|bmp|webp)(, +"|[\t ,](?!\[|-?\d+[, ]-?\d+[, ])\S)'
_HEADER = r'^"?(?i:file_?name|image|file)"?[,\t]"?(?i:words?|text|label)\b'

words = DatasetPlugin(
    api=1,
    summary="Images and lists of their texts: ICDAR, IIIT5K, MMOCR, PaddleOCR, MJSynth, CSV and TSV",
    config=WordsConfig,
    tasks=(Task.recognition,),
    factory="ocr_trainer_words.words:Words",
    signatures=tuple(
        FormatSignature(file.format(split=split), f"{_ROW}|{_HEADER}")
        for split in ("train", "test")
        for file in (*LISTS, *(WHOLE_LISTS if split == "train" else ()))
    ),
)

lines = DatasetPlugin(
    api=1,
    summary="Images of lines with a .gt.txt beside each: OCRopus, Kraken, Calamari, OCR-D, Tesseract",
    config=LinesConfig,
    tasks=(Task.recognition,),
    factory="ocr_trainer_words.lines:Lines",
    signatures=tuple(FormatSignature(f"{folder}*.gt.txt") for folder in ("", "train/", "*/")),
)
