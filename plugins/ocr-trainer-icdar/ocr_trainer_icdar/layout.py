"""Where a dataset keeps its images and annotations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ocr_trainer.errors import DataError
from ocr_trainer.training.images import files_in, is_image
from ocr_trainer_icdar.plugin import Icdar2015Config, RowsConfig, SroieConfig


@dataclass(frozen=True)
class Folders:
    """Images and their annotations; it may be one folder."""

    images: Path
    annotations: Path


Pairs = Iterable[tuple[str, str]]

ICDAR2015_TRAIN: Pairs = [
    ("ch4_training_images", "ch4_training_localization_transcription_gt"),
    ("images", "gt"),
]
ICDAR2015_TEST: Pairs = [
    ("ch4_test_images", "Challenge4_Test_Task1_GT"),
    ("ch4_test_images", "ch4_test_localization_transcription_gt"),
]
SROIE: Pairs = [("img", "box"), ("images", "box"), ("images", "annotations"), ("images", "gt")]


def icdar2015_folders(config: Icdar2015Config, root: Path) -> dict[str, Folders]:
    """Find the official folders, or `images` and `gt`; the folders that the options name come first."""
    train = _given(config, root, config.images, config.annotations) or _first(root, ICDAR2015_TRAIN)
    test = _given(config, root, config.test_images, config.test_annotations) or _first(root, ICDAR2015_TEST)
    found = {split: folders for split, folders in (("train", train), ("test", test)) if folders}
    return found or _unknown(config, root, [*ICDAR2015_TRAIN, *ICDAR2015_TEST])


def sroie_folders(config: SroieConfig, root: Path) -> dict[str, Folders]:
    """Find `img` and `box`, or such a pair in each of train, val and test, or all in one folder."""
    if whole := _given(config, root, config.images, config.annotations) or _first(root, SROIE):
        return {"train": whole}
    splits = {split: root / split for split in ("train", "val", "test") if (root / split).is_dir()}
    found = {split: _first(folder, SROIE) or _mixed(folder) for split, folder in splits.items()}
    if any(found.values()):
        return {split: folders for split, folders in found.items() if folders}
    if mixed := _mixed(root):
        return {"train": mixed}
    return _unknown(config, root, [*SROIE, ("train", "test")])


def open_root(config: RowsConfig) -> Path:
    """Return the dataset's folder.

    Raises:
        DataError: If there is none.
    """
    root = Path(config.root).expanduser()
    if not root.is_dir():
        raise DataError(
            f"dataset={config.name}: there is no folder '{root}'\n"
            "  say where the dataset is: dataset.root=/path/to/it"
        )
    return root


def _given(config: RowsConfig, root: Path, images: Path | None, annotations: Path | None) -> Folders | None:
    if images is None or annotations is None:
        return None
    for folder in (root / images, root / annotations):
        if not folder.is_dir():
            raise DataError(f"dataset={config.name}: there is no folder '{folder}'")
    return Folders(root / images, root / annotations)


def _first(root: Path, pairs: Pairs) -> Folders | None:
    candidates = (Folders(root / images, root / rows) for images, rows in pairs)
    return next((found for found in candidates if found.images.is_dir() and found.annotations.is_dir()), None)


def _mixed(folder: Path) -> Folders | None:
    """Return a folder that holds images and, beside them, their annotations."""
    return Folders(folder, folder) if any(map(is_image, files_in(folder))) else None


def _unknown(config: RowsConfig, root: Path, pairs: Pairs) -> dict[str, Folders]:
    there = sorted(entry.name + "/" * entry.is_dir() for entry in root.iterdir())
    looked = "; ".join(f"{images}/ with {rows}/" for images, rows in pairs)
    raise DataError(
        f"dataset={config.name}: '{root}' holds no images and annotations where they are looked for\n"
        f"  looked for: {looked}\n"
        f"  found: {', '.join(there[:8]) or 'nothing'}{', …' if len(there) > 8 else ''}\n"
        "  or say where they are: dataset.images=… dataset.annotations=…"
    )
