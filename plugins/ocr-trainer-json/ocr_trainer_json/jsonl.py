"""JSON lines, our own format: an image per row.

    {"image": "scans/a 1.jpg", "width": 720, "height": 1280, "split": "train",
     "words": [{"points": [[10, 10], [90, 10], [90, 30], [10, 30]], "text": "TOTAL", "ignore": false}]}

Only `image`, `words` and their `points` must be there. The README has it in full.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ocr_trainer.formats.json_files import (
    Word,
    numbered,
    read_json_rows,
    read_words,
    to_list,
    to_points,
    to_size,
    to_text,
)
from ocr_trainer.formats.listed import Annotated, ListedDataset
from ocr_trainer.formats.splits import SPLITS


class JsonLines(ListedDataset):
    """Datasets in JSON lines."""

    file_names = ("{split}.jsonl", "annotations/{split}.jsonl")
    whole_names = ("annotations.jsonl", "labels.jsonl")
    image_folders = (".",)

    def read(self, file: Path) -> Iterator[Annotated]:
        """Yield what each row says of its image."""
        for line, name, row in read_json_rows(file, self._ledger, key="image"):
            try:
                words, split = to_list(row, "words"), _split(row)
            except ValueError as fault:
                self._ledger.skip_image(f"{file}:{line}", str(fault))
                continue
            labels = read_words(numbered("word", words), _word, self._ledger, file, line)
            labels.size = to_size(row.get("height"), row.get("width"))
            yield Annotated(name, labels, split)


def _split(row: dict[str, Any]) -> str | None:
    split = row.get("split")
    if split not in (None, *SPLITS):
        raise ValueError(f"the split is none of {', '.join(SPLITS)}: {str(split)[:40]}")
    return split


def _word(word: dict[str, Any]) -> Word:
    ignore = word.get("ignore")
    if ignore not in (None, True, False):
        raise ValueError(f"ignore is neither true nor false: {str(ignore)[:40]}")
    return Word(to_points(word.get("points")), to_text(word.get("text")), bool(ignore))
