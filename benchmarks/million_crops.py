"""Measure the time of opening a million crops, and the memory of reading them, here and in each worker.

    python benchmarks/million_crops.py [--format words] [--crops 10000 1000000] [--reads 20000] [--workers 2]

This writes crops as an LMDB (`lmdb`) or as a list of file names (`words`), all with the same small PNG. It
opens the training split three times, reads random crops, and then reads all texts. Sizes are proportional set
sizes: shared memory counts in parts. "Own" is anonymous memory; "files" is mapped memory, such as pages of
the LMDB, which the system can drop when it needs memory. Nothing here is asserted.
"""

from __future__ import annotations

import argparse
import gc
import io
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
from ocr_trainer_lmdb.dataset import Lmdb
from ocr_trainer_lmdb.plugin import LmdbConfig
from ocr_trainer_words.plugin import WordsConfig
from ocr_trainer_words.words import Words
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from ocr_trainer.plugin import Context, Task

MB = 1e6


def memory() -> tuple[float, float]:
    """Return the proportional set size of this process in MB: of anonymous memory and of files."""
    rows = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
    sizes = {row.split(":")[0]: int(row.split()[1]) * 1024 / MB for row in rows[1:]}
    return sizes["Pss_Anon"], sizes["Pss_File"]


def noise_image() -> bytes:
    """Return a small PNG of noise."""
    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(256, size=(8, 24, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def write_lmdb(root: Path, crops: int) -> None:
    """Write an LMDB with the given number of crops."""
    image = noise_image()
    with lmdb.open(str(root), map_size=1 << 34, sync=False, metasync=False) as environment:
        for start in range(1, crops + 1, 100_000):
            with environment.begin(write=True) as view:
                for number in range(start, min(start + 100_000, crops + 1)):
                    view.put(b"image-%09d" % number, image)
                    view.put(b"label-%09d" % number, b"word%d" % number)
        with environment.begin(write=True) as view:
            view.put(b"num-samples", b"%d" % crops)


def write_words(root: Path, crops: int) -> None:
    """Write a list of the given number of crops, and a link to an image for each."""
    with (root / "train.txt").open("w", encoding="ascii") as file:
        for number in range(crops):
            folder = f"{number // 1000:04}"
            if not number % 1000:
                (root / folder).mkdir()
                (root / folder / "tiny.png").write_bytes(noise_image())  # ext4 allows 65,000 links per file
            (root / folder / f"{number}.png").hardlink_to(root / folder / "tiny.png")
            file.write(f"{folder}/{number}.png\tword{number}\n")


FORMATS: dict[str, tuple[Callable[[Path, int], None], Any, Any]] = {
    "lmdb": (write_lmdb, Lmdb, LmdbConfig),
    "words": (write_words, Words, WordsConfig),
}


class MeasuredSet(Dataset[tuple[int, float, float]]):
    """Yields the worker of a sample and, for two samples in 1000, its memory after reading the sample."""

    def __init__(self, split: Any, indices: list[int]) -> None:
        self.split, self.indices = split, indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> tuple[int, float, float]:
        assert self.split[self.indices[index]].image.shape == (8, 24, 3)
        return os.getpid(), *(memory() if index % 1000 < 2 else (0.0, 0.0))


def workers_sizes(split: Any, indices: list[int], workers: int) -> Iterator[list[tuple[float, float]]]:
    """Yield the sizes of each worker during its reads."""
    loader: Any = DataLoader(
        MeasuredSet(split, indices), batch_size=None, num_workers=workers, multiprocessing_context="fork"
    )
    sizes: dict[int, list[tuple[float, float]]] = {}
    for worker, own, shared in loader:
        if own:
            sizes.setdefault(worker, []).append((own, shared))
    yield from sizes.values()


def growth(sizes: list[tuple[float, float]]) -> str:
    """Return a description of the first sizes and their growth."""
    (own, shared), (own_end, shared_end) = sizes[0], sizes[-1]
    return f"own {own:.0f} MB {own_end - own:+.1f}, files {shared:.0f} MB {shared_end - shared:+.1f}"


def measure(kind: str, root: Path, crops: int, reads: int, workers: int, val_share: float) -> None:
    """Print the time and memory of a dataset."""
    write, dataset, config = FORMATS[kind]
    write(root, crops)
    options = config(name=kind, root=root, val_share=val_share)

    def opened() -> Any:
        return dataset(options, Context(task=Task.recognition)).train

    opened()  # warms up the caches of the file system and ours
    gc.collect()
    seconds = []
    before = memory()
    for _ in range(3):
        split = None
        start = time.perf_counter()
        split = opened()
        seconds.append(time.perf_counter() - start)
    gc.collect()
    after = memory()
    print(f"{kind}, {crops:,} crops: opened in {statistics.median(seconds):.3f} s (median of 3);", end=" ")
    print(
        f"{len(split):,} to train on; own {after[0] - before[0]:+.1f} MB, files {after[1] - before[1]:+.1f}"
    )
    rng = random.Random(0)
    indices = [rng.randrange(len(split)) for _ in range(reads)]
    for label, worker in ((f"  worker {n}", w) for n, w in enumerate(workers_sizes(split, indices, workers))):
        print(f"{label}: {growth(worker)} over its part of {reads:,} reads")
    start = time.perf_counter()
    sizes = list(_read(split, indices))
    print(f"  parent: {growth(sizes)} over {reads:,} reads; {reads / (time.perf_counter() - start):,.0f}/s")
    start = time.perf_counter()
    characters = sum(map(len, split.texts))
    sizes = [sizes[-1], memory()]
    print(f"  all texts, {characters:,} characters: {time.perf_counter() - start:.1f} s; {growth(sizes)}")


def _read(split: Any, indices: list[int]) -> Iterator[tuple[float, float]]:
    for number, index in enumerate(indices):
        split[index]
        if not number % 1000:
            yield memory()
    yield memory()


def main() -> None:
    """Write, open and read datasets, and print time and memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--format", choices=[*FORMATS], default="lmdb")
    parser.add_argument("--crops", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--reads", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--val-share", type=float, default=0.0)
    args = parser.parse_args()
    for crops in args.crops:
        with tempfile.TemporaryDirectory() as folder:
            measure(args.format, Path(folder), crops, args.reads, args.workers, args.val_share)


if __name__ == "__main__":
    main()
