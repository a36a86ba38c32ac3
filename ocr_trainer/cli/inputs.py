"""Expand the image arguments of a command: files, folders, patterns, and the pages of documents."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from glob import glob, has_magic
from pathlib import Path
from typing import NamedTuple

from ocr_trainer.data.listing import count_by_suffix, files_below, is_image_file
from ocr_trainer.errors import DataError
from ocr_trainer_runtime.images.documents import expanded
from ocr_trainer_runtime.images.inputs import GivenImage
from ocr_trainer_runtime.images.kinds import SUFFIXES
from ocr_trainer_runtime.text.visible import echo

NESTED_LIMIT = 100_000
"""Number of files in subfolders that are looked at to count the images that a folder does not stand for."""


PDF = ".pdf"


class Input(NamedTuple):
    """An image or a page, with the names of its results."""

    image: GivenImage
    name: str
    """Unique among all images: files in different folders may have equal names."""
    document: str | None
    """The name of the results of the page's document; None for an image."""


def named_inputs(paths: Sequence[Path], dpi: float) -> list[Input]:
    """Return the images, and the pages of the documents, each with the names of its results.

    Page 3 of `file.pdf` is `file-0003`. A document that cannot be used is one image, whose reading fails.

    Args:
        paths: Images and documents.
        dpi: Resolution at which the pages of PDFs are rendered, in pixels per inch.
    """
    inputs: list[Input] = []
    taken: set[str] = set()

    def unique(name: str) -> str:
        free, number = name, 2
        while free in taken:
            free, number = f"{name}-{number}", number + 1
        taken.add(free)
        return free

    for path in paths:
        name = unique(path.stem)
        for image in expanded(GivenImage(path, ""), dpi):
            if image.number is None:
                inputs.append(Input(image, name, None))
            else:
                inputs.append(Input(image, unique(f"{name}-{image.number:04}"), name))
    return inputs


def given_images(words: Sequence[str]) -> list[Path]:
    """Return the images and documents that the arguments name, without duplicates, in the given order.

    A folder stands for the images and PDFs directly in it, sorted by name; a pattern that the shell did not
    expand, such as `scans/**/*.png`, for those that match, sorted. A missing file is returned, too:
    reading it reports the error. What is in a folder and is not read is counted on standard error.

    Raises:
        DataError: A folder contains no image, or no image matches a pattern.
    """
    return list(dict.fromkeys(path for word in words for path in _images(word)))


def names_images(word: str) -> bool:
    """Return whether an argument names images rather than a checkpoint, a run directory or weights."""
    path = Path(word)
    if path.is_dir():
        return not (path / "checkpoints").is_dir()
    return has_magic(word) or _is_input(path)


def _images(word: str) -> Iterator[Path]:
    path = Path(word)
    if path.is_dir():
        names = files_below(path, nested=False)
        images = [name for name in names if _is_input(path / name)]
        deeper = _nested(path, word)
        if not images:
            raise DataError(
                f"there is no image in the folder '{word}' ({', '.join(sorted(SUFFIXES | {PDF}))})"
                + (f"\n  {deeper}" if deeper else "")
            )
        _report(word, sorted(set(names).difference(images)), deeper)
        yield from (path / name for name in images)
    elif has_magic(word) and not path.exists():
        matches = map(Path, sorted(glob(word, recursive=True)))  # noqa: PTH207 - Path.glob takes no absolute pattern
        files = [match for match in matches if match.is_file()]
        found = [file for file in files if _is_input(file)]
        if not found:
            raise DataError(f"no image matches '{word}'")
        _report(word, [file.name for file in files if file not in set(found)])
        yield from found
    else:
        yield path


def _is_input(path: Path) -> bool:
    return path.suffix.lower() == PDF or is_image_file(path)


def _nested(folder: Path, word: str) -> str:
    """Return how many images lie in subfolders, and how to read them; empty if none."""
    files = (name for name in files_below(folder, limit=NESTED_LIMIT) if "/" in name)
    images = sum(_is_input(folder / name) for name in files)
    pattern = f"'{Path(word) / '**' / '*'}'"
    return f"{images:,} images in its subfolders are not read; {pattern} reads them" if images else ""


def _report(word: str, others: Sequence[str], nested: str = "") -> None:
    parts = [f"other files, not read: {count_by_suffix(others)}"] if others else []
    for part in [*parts, nested] if nested else parts:
        echo(f"ocr-train: note: '{word}': {part}", file=sys.stderr)
