"""Compare the names in annotations with those of files: exactly, then by their composed form (Unicode NFC).

macOS writes names with accents decomposed, other systems composed: `für.jpg` has one letter more there. Names
that differ in more, such as case, suffix or folder, are never taken for each other; they are given as a hint.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath
from unicodedata import normalize

from ocr_trainer.data.listing import files_below, is_image_file
from ocr_trainer.errors import DataError

NAME_LIMIT = 1024
"""Longest name to compose, in characters. No file name is longer; NFC is slow on many accents in a row."""

HINT_LIMIT = 200_000
"""Number of files among which a hint is searched: a wrong root may be a whole disk."""

MAX_FOLDERS = 64
"""Only the last path parts of a name with more folders than this are tried."""


def composed(name: str) -> str:
    """Return a name in Unicode NFC."""
    return name if name.isascii() or len(name) > NAME_LIMIT else normalize("NFC", name)


def path_suffixes(name: str) -> Iterator[str]:
    """Yield a path, then the path without its first folder, without its first two, and so on."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    starts = range(max(0, len(parts) - MAX_FOLDERS), len(parts))
    yield from ("/".join(parts[start:]).replace("//", "/") for start in starts)


def without_suffix(name: str) -> str:
    """Return a relative path without the suffix of its last part."""
    path = PurePosixPath(name)
    return path.with_suffix("").as_posix() if path.name else name


class NameIndex:
    """Known names, found exactly or else in NFC.

    Args:
        names: The names. If several are equal in NFC, a name that is none of them finds the first.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = dict.fromkeys(names)

    @cached_property
    def _composed(self) -> dict[str, str]:
        return {composed(name): name for name in reversed(self._names)}

    def find(self, name: str) -> str | None:
        """Return the known name that a name means, or None."""
        return name if name in self._names else self._composed.get(composed(name))


class FolderNames:
    """The files below a folder, searched by their names.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: Path | str) -> None:
        self._folder = Path(folder)
        self._entries: dict[str, NameIndex | None] = {}

    def find(self, name: str) -> str | None:
        """Return the relative path of a file whose folders and name are equal in NFC, or None."""
        path = ""
        for part in name.replace("\\", "/").split("/"):
            if part in ("", "."):
                continue
            entries = self._listed(path)
            found = entries.find(part) if entries and part != ".." else None
            if found is None:
                return None
            path = f"{path}/{found}" if path else found
        return path if path and (self._folder / path).is_file() else None

    def _listed(self, path: str) -> NameIndex | None:
        if path not in self._entries:
            try:
                self._entries[path] = NameIndex(sorted(os.listdir(self._folder / path)))  # noqa: PTH208
            except (OSError, ValueError):
                self._entries[path] = None
        return self._entries[path]

    @cached_property
    def files(self) -> list[str]:
        """The relative names of the files below the folder, sorted; none if it cannot be listed."""
        try:
            return files_below(self._folder, limit=HINT_LIMIT)
        except DataError:
            return []

    @cached_property
    def _by_stem(self) -> dict[str, list[str]]:
        stems: dict[str, list[str]] = {}
        for file in self.files:
            stems.setdefault(_loose(PurePosixPath(file).stem), []).append(file)
        return stems

    def hint(self, name: str, accept: Callable[[Path], bool] = is_image_file) -> str:
        """Return a hint for a message about a missing file, such as `; there is 'photo.JPG'`; "" if none.

        Args:
            name: The name that was not found.
            accept: Whether a file that differs only in case, suffix or folder can be meant.
        """
        base = PurePosixPath(name.replace("\\", "/")).name
        similar = [
            file
            for stem in dict.fromkeys((PurePosixPath(base).stem, base))
            for file in self._by_stem.get(_loose(stem), [])
            if accept(self._folder / file)
        ]
        if not similar:
            return ""
        best = min(similar, key=lambda file: _distance(base, PurePosixPath(file).name))
        more = f" and {len(similar) - 1} more like it" if len(similar) > 1 else ""
        return f"; there is '{best}'{more}"


def _loose(name: str) -> str:
    return composed(name).casefold()


def _distance(name: str, other: str) -> int:
    """Return how a name differs: not at all, in case, or in its suffix."""
    return 0 if composed(name) == composed(other) else 1 if _loose(name) == _loose(other) else 2
