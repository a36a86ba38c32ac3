"""By which names an XML file may call its image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

from ocr_trainer.formats.names import without_suffix


def by_names(images: Sequence[str]) -> dict[str, str]:
    """Return the images by what a file may call them: path, path without suffix, name, name without suffix.

    The name of an image in a subfolder must be the only one.
    """
    known: dict[str, str] = {}
    for kind in (_path, without_suffix, _name, _stem):
        counts = Counter(map(kind, images))
        for image in images:
            if "/" not in image or kind in (_path, without_suffix) or counts[kind(image)] == 1:
                known.setdefault(kind(image), image)
    return known


def _path(image: str) -> str:
    return image


def _name(image: str) -> str:
    return PurePosixPath(image).name


def _stem(image: str) -> str:
    return PurePosixPath(image).stem
