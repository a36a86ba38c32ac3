"""The dataset `lmdb`: splits made of one or more LMDBs of images and texts."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from hashlib import blake2b
from itertools import accumulate, groupby
from pathlib import Path

import numpy as np

from ocr_trainer.data.types import TextImage
from ocr_trainer.errors import DataError
from ocr_trainer.formats.assign import SPLITS
from ocr_trainer.formats.paired import open_root
from ocr_trainer.formats.path_guard import PathGuard
from ocr_trainer.plugin import Context
from ocr_trainer_lmdb.plugin import LmdbConfig
from ocr_trainer_lmdb.store import DATA, Store

FOLDERS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "evaluation"),
}
"""Folder names of each split."""


class LmdbImages(Sequence[TextImage]):
    """A split: the samples of several LMDBs in sequence, or some of them. It keeps no sample in memory.

    Args:
        stores: The LMDBs.
        places: Which samples, counted across all stores; int64, shape (n,). None for all.
    """

    def __init__(self, stores: Sequence[Store], places: Sequence[int] | np.ndarray | None = None) -> None:
        self._stores = list(stores)
        self._starts = [0, *accumulate(map(len, stores))]
        self._places = range(self._starts[-1]) if places is None else places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> TextImage:  # type: ignore[override]
        """Return a sample, which the caller may change.

        Raises:
            DataError: If the image or the text is missing or cannot be read. The message names file and key.
        """
        store, place = self._find(index)
        return store.sample(place)

    def name_of(self, index: int) -> str:
        """Return the name of a sample, its folder and key, without reading the file."""
        store, place = self._find(index)
        return store.name(place)

    @property
    def texts(self) -> LmdbTexts:
        """One text per sample, read from the file on access; empty where it cannot be read."""
        return LmdbTexts(self)

    def _find(self, index: int) -> tuple[Store, int]:
        place = int(self._places[index])
        number = bisect_right(self._starts, place) - 1
        return self._stores[number], place - self._starts[number]

    def _each(self) -> Iterator[tuple[int, Iterator[int]]]:
        """Yield the number of each store with the indices of its samples."""
        places = map(int, self._places)
        for number, group in groupby(places, key=lambda place: bisect_right(self._starts, place) - 1):
            start = self._starts[number]
            yield number, (place - start for place in group)


class LmdbTexts(Sequence[str]):
    """The texts of a split."""

    def __init__(self, images: LmdbImages) -> None:
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> str:  # type: ignore[override]
        store, place = self._images._find(index)
        return next(store.texts(iter([place])))

    def __iter__(self) -> Iterator[str]:
        for number, indices in self._images._each():
            yield from self._images._stores[number].texts(indices)


class Lmdb:
    """Three splits, from folders or by share.

    Raises:
        DataError: If a folder is missing, holds no LMDB, or holds one that cannot be used.
    """

    def __init__(self, config: LmdbConfig, context: Context) -> None:
        self._config = config
        self._data_report = context.data_report
        self._root = open_root(config)
        guard = PathGuard(self._root, config)
        folders = {split: self._folder(split) for split in SPLITS}
        if not any(folders.values()):
            folders["train"] = self._root
        self._folders = {split: folder for split, folder in folders.items() if folder}
        self._homes = {split: _stores_below(folder, guard) for split, folder in self._folders.items()}
        empty = [str(folders[split]) for split, homes in self._homes.items() if not homes]
        if empty:
            raise DataError(
                f"dataset={config.name}: '{empty[0]}' holds no LMDB (a folder with a file '{DATA}')\n"
                f"  looked for: {', '.join(FOLDERS['train'])} in '{self._root}', or {DATA} at any depth\n"
                "  or set the folder: dataset.train_folder=…"
            )
        self._refuse_overlap()

    @property
    def train(self) -> LmdbImages | None:
        """The training samples."""
        return self._splits.get("train")

    @property
    def val(self) -> LmdbImages | None:
        """The validation samples."""
        return self._splits.get("val")

    @property
    def test(self) -> LmdbImages | None:
        """The test samples."""
        return self._splits.get("test")

    @cached_property
    def _splits(self) -> dict[str, LmdbImages]:
        stores = {split: [self._open(home) for home in homes] for split, homes in self._homes.items()}
        whole = {split: LmdbImages(some) for split, some in stores.items()}
        shares = {"test": self._config.test_share, "val": self._config.val_share}
        shares = {split: share for split, share in shares.items() if share > 0 and split not in whole}
        if "train" not in whole or not shares:
            return whole
        names = [home.relative_to(self._folders["train"]).as_posix() for home in self._homes["train"]]
        positions = [
            draw(name, len(store), self._config.split_seed)
            for name, store in zip(names, stores["train"], strict=True)
        ]
        places = carve_places(np.concatenate(positions), shares)
        return whole | {split: LmdbImages(stores["train"], chosen) for split, chosen in places.items()}

    def _open(self, home: Path) -> Store:
        store = Store(home)
        self._data_report.read(images=len(store), labels=len(store))
        if store.more:
            self._data_report.read(images=1)
            reason = f"num-samples says {len(store):,}, but there are more, which are not used: {store.more}"
            self._data_report.skip_image(store.folder, reason)
        return store

    def _folder(self, split: str) -> Path | None:
        """Return the configured folder of a split, or the first folder with a usual name."""
        if given := getattr(self._config, f"{split}_folder"):
            folder: Path = self._root / given
            if not folder.is_dir():
                raise DataError(
                    f"dataset={self._config.name}: there is no folder '{folder}' for {split}_folder"
                )
            return folder
        folders: Iterator[Path] = (self._root / name for name in FOLDERS[split])
        return next((folder for folder in folders if folder.is_dir()), None)

    def _refuse_overlap(self) -> None:
        splits: dict[Path, str] = {}
        for split, homes in self._homes.items():
            for home in homes:
                other = splits.setdefault(home.resolve(), split)
                if other != split:
                    raise DataError(
                        f"dataset={self._config.name}: '{home}' would be both {other} and {split}, but no"
                        " image may be in two splits"
                    )


def _stores_below(folder: Path, guard: PathGuard) -> list[Path]:
    """Return each folder with an LMDB once, at any depth, the folder itself included. Follow links.

    Raises:
        DataError: If a link points to a place that the dataset may not read.
    """
    homes: list[Path] = []
    seen: set[str] = set()
    for home, folders, files in os.walk(folder, followlinks=True):
        guard.check(home)
        real = os.path.realpath(home)
        folders[:] = [] if real in seen else sorted(name for name in folders if not name.startswith("."))
        if DATA in files and real not in seen:
            guard.check(Path(home, DATA))
            homes.append(Path(home))
        seen.add(real)
    return homes


def draw(name: str, count: int, seed: int) -> np.ndarray:
    """Return a position in [0, 1) for each sample of a store; float64, shape (count,).

    A position is a hash of seed, name and index (splitmix64 of S. Vigna), so that the samples keep their
    positions when a store is added later.
    """
    key = blake2b(f"{seed}/{name}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    z = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z += np.uint64(int.from_bytes(key))
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (z ^ (z >> np.uint64(31))).astype(np.float64) / 2**64


def carve_places(positions: np.ndarray, shares: dict[str, float]) -> dict[str, np.ndarray]:
    """Assign samples to the splits of `shares` by their positions, and the rest to 'train'.

    Of two or more samples, each split gets at least one, as in `ocr_trainer.formats.assign.assign_splits`.

    Returns:
        The indices of each split's samples, int64.
    """
    free = np.ones(len(positions), dtype=bool)
    places: dict[str, np.ndarray] = {}
    start = 0.0
    for split, share in shares.items():
        chosen = np.flatnonzero(free & (positions >= start) & (positions < start + share))
        left = np.flatnonzero(free)
        if not len(chosen) and len(left) > 1:
            chosen = left[[positions[left].argmin()]]
        free[chosen] = False
        places[split] = chosen
        start += share
    return places | {"train": np.flatnonzero(free)}
