"""Expand the image arguments of a command: files, folders and patterns."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from glob import glob, has_magic
from pathlib import Path

from ocr_trainer.data.image_kinds import SUFFIXES
from ocr_trainer.data.listing import count_by_suffix, files_below, is_image_file
from ocr_trainer.errors import DataError

NESTED_LIMIT = 100_000
"""Number of files in subfolders that are looked at to count the images that a folder does not stand for."""


def given_images(words: Sequence[str]) -> list[Path]:
    """Return the images that the arguments name, without duplicates, in the given order.

    A folder stands for the images directly in it, sorted by name; a pattern that the shell did not expand,
    such as `scans/**/*.png`, for the matching images, sorted. A file is returned even if it does not exist:
    reading it reports the error. What is in a folder and is not read is counted on standard error.

    Raises:
        DataError: A folder contains no image, or no image matches a pattern.
    """
    return list(dict.fromkeys(path for word in words for path in _images(word)))


def _images(word: str) -> Iterator[Path]:
    path = Path(word)
    if path.is_dir():
        names = files_below(path, nested=False)
        images = [name for name in names if is_image_file(path / name)]
        deeper = _nested(path, word)
        if not images:
            raise DataError(
                f"there is no image in the folder '{word}' ({', '.join(sorted(SUFFIXES))})"
                + (f"\n  {deeper}" if deeper else "")
            )
        _report(word, sorted(set(names).difference(images)), deeper)
        yield from (path / name for name in images)
    elif has_magic(word) and not path.exists():
        matches = map(Path, sorted(glob(word, recursive=True)))  # noqa: PTH207 - Path.glob takes no absolute pattern
        files = [match for match in matches if match.is_file()]
        found = [file for file in files if is_image_file(file)]
        if not found:
            raise DataError(f"no image matches '{word}'")
        _report(word, [file.name for file in files if file not in set(found)])
        yield from found
    else:
        yield path


def _nested(folder: Path, word: str) -> str:
    """Return how many images lie in subfolders, and how to read them; empty if none."""
    files = (name for name in files_below(folder, limit=NESTED_LIMIT) if "/" in name)
    images = sum(is_image_file(folder / name) for name in files)
    pattern = f"'{Path(word) / '**' / '*'}'"
    return f"{images:,} images in its subfolders are not read; {pattern} reads them" if images else ""


def _report(word: str, others: Sequence[str], nested: str = "") -> None:
    parts = [f"other files, not read: {count_by_suffix(others)}"] if others else []
    for part in [*parts, nested] if nested else parts:
        print(f"ocr-train: note: '{word}': {part}", file=sys.stderr)
