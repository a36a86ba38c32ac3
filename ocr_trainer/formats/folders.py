"""Find the folders of images and annotations: from options, as in the original, or under common names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ocr_trainer.data.listing import files_below, is_image_file
from ocr_trainer.errors import DataError
from ocr_trainer.formats.assign import SPLITS
from ocr_trainer.formats.names import HINT_LIMIT
from ocr_trainer.plugin.options import FolderConfig, PairedConfig

Names = Sequence[tuple[str, str]]
"""Pairs of folder names, of images and of their annotations."""


class Folders(NamedTuple):
    """Folders of images and of their annotations; may be the same folder."""

    images: Path
    annotations: Path


def open_root(config: FolderConfig) -> Path:
    """Return the dataset's folder.

    Raises:
        DataError: If the folder does not exist.
    """
    root = Path(config.root).expanduser()
    if not root.is_dir():
        raise DataError(
            f"dataset={config.name}: there is no folder '{root}'\n  set its path: dataset.root=/path/to/it"
        )
    return root


class FolderSearch:
    """The search for the folders of each split.

    Args:
        root: Folder of the dataset.
        config: Options of the dataset.
        original: Folders of each split in the original dataset.
        usual: Common folder names.
        suffixes: Suffixes of annotation files.
    """

    def __init__(
        self,
        root: Path,
        config: PairedConfig,
        original: Mapping[str, Names],
        usual: Names,
        suffixes: tuple[str, ...],
    ) -> None:
        self._root, self._config = root, config
        self._original, self._usual, self._suffixes = original, usual, suffixes

    def find(self) -> dict[str, Folders]:
        """Return the folders of each split that has some.

        Raises:
            DataError: If there are none, or two splits would have the same images.
        """
        config, root = self._config, self._root
        given = {
            "train": self._given(config.images, config.annotations),
            "test": self._given(config.test_images, config.test_annotations),
        }
        found = {split: given.get(split) or _first(root, self._names(split)) for split in SPLITS}
        found["train"] = found["train"] or _first(root, self._usual)
        if not found["train"]:
            below = {split: root / split for split in SPLITS if (root / split).is_dir()}
            for split, folder in below.items():
                found[split] = found[split] or _first(folder, self._usual) or _mixed(folder)
        if not any(found.values()):
            found["train"] = _mixed(root) or self._nested()
        selected = {split: folders for split, folders in found.items() if folders} or self._unknown()
        resolved = {split: folders.images.resolve() for split, folders in selected.items()}
        for split, folder in resolved.items():
            if (other := next(s for s, path in resolved.items() if path == folder)) != split:
                raise DataError(
                    f"dataset={config.name}: '{folder}' would be both {other} and {split}, but no image"
                    " may be in two splits\n  set the folder of the other images, or a list for each split"
                )
        return selected

    def _annotates(self, path: Path) -> bool:
        return path.name.lower().endswith(self._suffixes)

    def _nested(self) -> Folders | None:
        """Return the root if images and annotations lie together in its subfolders."""
        files = files_below(self._root, limit=HINT_LIMIT)
        homes = [
            {PurePosixPath(name).parent for name in files if suits(self._root / name)}
            for suits in (is_image_file, self._annotates)
        ]
        return Folders(self._root, self._root) if homes[0] & homes[1] else None

    def _names(self, split: str) -> list[tuple[str, str]]:
        """Return candidate folders of a split: as in the original, or below the common folders."""
        usual = [(f"{images}/{split}", f"{annotations}/{split}") for images, annotations in self._usual]
        return [*self._original.get(split, ()), *usual]

    def _given(self, images: Path | None, annotations: Path | None) -> Folders | None:
        if images is None or annotations is None:
            return None
        for folder in (self._root / images, self._root / annotations):
            if not folder.is_dir():
                raise DataError(f"dataset={self._config.name}: there is no folder '{folder}'")
        return Folders(self._root / images, self._root / annotations)

    def _unknown(self) -> dict[str, Folders]:
        there = sorted(entry.name + "/" * entry.is_dir() for entry in self._root.iterdir())
        names = [pair for pairs in (*self._original.values(), self._usual) for pair in pairs]
        looked = "; ".join(f"{images}/ with {annotations}/" for images, annotations in dict.fromkeys(names))
        raise DataError(
            f"dataset={self._config.name}: '{self._root}' holds no images with annotations\n"
            f"  looked for: {looked}\n"
            f"  found: {', '.join(there[:8]) or 'nothing'}{', …' if len(there) > 8 else ''}\n"
            f"{self._deeper()}"
            "  set their paths: dataset.images=… dataset.annotations=…"
        )

    def _deeper(self) -> str:
        """Return lines of a message that name subfolders in which there are images with annotations."""
        names = [*(n for split in SPLITS for n in self._names(split)), *self._usual]
        below = sorted(entry for entry in self._root.iterdir() if entry.is_dir())
        found = [folder for folder in below[:100] if _first(folder, names)]
        return "".join(
            f"  there are some in '{folder.name}': dataset.root={folder}\n" for folder in found[:3]
        )


def _first(root: Path, names: Names) -> Folders | None:
    candidates = (Folders(root / images, root / annotations) for images, annotations in names)
    return next((found for found in candidates if found.images.is_dir() and found.annotations.is_dir()), None)


def _mixed(folder: Path) -> Folders | None:
    """Return a folder that holds both images and their annotations, or None."""
    files = files_below(folder, nested=False)
    return Folders(folder, folder) if any(is_image_file(folder / name) for name in files) else None
