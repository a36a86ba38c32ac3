"""Find the images in folders. The suffix of a file suggests that it is an image, and its content decides.

A phone or a browser saves images as `.jfif`, `.heic` or without a suffix. Nothing is passed over in silence:
the callers count what they do not read, by suffix.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Set
from pathlib import Path, PurePath

from ocr_trainer.errors import DataError
from ocr_trainer_runtime.images.kinds import FORMATS, MORE_FORMATS, is_image, kind_of

TEXT_SUFFIXES = frozenset({".txt", ".json", ".jsonl", ".xml", ".csv", ".tsv", ".gt", ".mat", ".md", ".pdf"})
"""Suffixes of files that are not opened to see whether they are images: a folder may hold a million."""


def is_image_file(path: Path | str) -> bool:
    """Return whether a file is an image: by its suffix, or else by its first bytes."""
    name = PurePath(path)
    if is_image(name):
        return True
    # A link may lead out of the dataset's folder: only its name is judged.
    if name.suffix.lower() in TEXT_SUFFIXES or os.path.islink(path):  # noqa: PTH114 - takes strings, too
        return False
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - takes strings, too
            return kind_of(file.read(16)) in (*FORMATS, *MORE_FORMATS)
    except (OSError, ValueError):
        return False


def files_below(
    folder: Path, without: Set[Path] = frozenset(), nested: bool = True, limit: int | None = None
) -> list[str]:
    """Return the sorted names of the files below a folder, relative to it with "/", without hidden ones.

    Args:
        folder: Folder to list.
        without: Folders to leave out.
        nested: Whether to list subfolders, too. Links to folders are not followed.
        limit: Stop at a folder once there are this many files.

    Raises:
        DataError: If the folder cannot be listed.
    """
    found: list[str] = []
    waiting = [""]
    try:
        while waiting and (limit is None or len(found) < limit):
            prefix = waiting.pop()
            with os.scandir(folder / prefix) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_file():
                        found.append(f"{prefix}{entry.name}")
                    elif nested and entry.is_dir(follow_symlinks=False) and Path(entry.path) not in without:
                        waiting.append(f"{prefix}{entry.name}/")
    except OSError as error:
        raise DataError(f"cannot list the folder '{folder}': {error.strerror}") from error
    return sorted(found)


def count_by_suffix(names: Iterable[str], most: int = 6) -> str:
    """Return how many names have each suffix, such as `3 .pdf, 1 without suffix`."""
    counts = Counter(PurePath(name).suffix.lower()[:12] or "without suffix" for name in names)
    parts = [f"{number:,} {suffix}" for suffix, number in counts.most_common(most)]
    more = counts.total() - sum(number for _, number in counts.most_common(most))
    return ", ".join([*parts, f"{more:,} others"] if more else parts)
