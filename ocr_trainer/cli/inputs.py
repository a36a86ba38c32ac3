"""Expand the image arguments of a command: files, folders and patterns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from glob import glob, has_magic
from pathlib import Path

from ocr_trainer.data.images import SUFFIXES, files_in, is_image
from ocr_trainer.errors import DataError


def given_images(words: Sequence[str]) -> list[Path]:
    """Return the images that the arguments name, without duplicates, in the given order.

    A folder stands for the images directly in it, sorted by name; a pattern that the shell did not expand,
    such as `scans/**/*.png`, for the matching images, sorted. A file is returned even if it does not exist:
    reading it reports the error.

    Raises:
        DataError: A folder contains no image, or no image matches a pattern.
    """
    return list(dict.fromkeys(path for word in words for path in _images(word)))


def _images(word: str) -> Iterator[Path]:
    path = Path(word)
    if path.is_dir():
        found = [file for file in files_in(path) if is_image(file)]
        if not found:
            raise DataError(f"there is no image in the folder '{word}' ({', '.join(sorted(SUFFIXES))})")
        yield from found
    elif has_magic(word) and not path.exists():
        matches = map(Path, sorted(glob(word, recursive=True)))  # noqa: PTH207 - Path.glob takes no absolute pattern
        found = [match for match in matches if match.is_file() and is_image(match)]
        if not found:
            raise DataError(f"no image matches '{word}'")
        yield from found
    else:
        yield path
