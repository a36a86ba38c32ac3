"""Measure the memory of the labels of a million words, in the main process and in each worker.

    python benchmarks/labels_memory.py [--format textocr] [--files 20000] [--words 50] [--workers 2]

This writes a dataset in which all images are links to one tiny image. `sroie` has an annotation file per
image, `textocr` one JSON file of hundreds of megabytes. It then opens the training split and reads every
sample in forked workers. Growth is that of the unique set size: the memory that would be freed if only this
process ended. Nothing here is asserted.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ocr_trainer_icdar.dataset import Sroie
from ocr_trainer_json.plugin import TextOcrConfig
from ocr_trainer_json.textocr import TextOcr
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from ocr_trainer.formats.labeled import LabeledImages, LazySplits
from ocr_trainer.plugin import Context, Task
from ocr_trainer.plugin.options import PairedConfig

MB = 1e6


def unique() -> float:
    """Return the unique set size of this process in MB."""
    rows = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
    return sum(int(row.split()[1]) for row in rows if row.startswith("Private_")) * 1024 / MB


def resident() -> float:
    """Return the resident set size of this process in MB."""
    return (
        int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / MB
    )


def peak() -> float:
    """Return the largest resident set size this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MB


def write(root: Path, files: int, words: int) -> None:
    """Write annotation files with the given number of words each, and an image for each."""
    rng = np.random.default_rng(0)
    for folder in ("img", "box"):
        (root / folder).mkdir()
    Image.new("RGB", (64, 64)).save(root / "tiny.png")
    for number in range(files):
        (root / "img" / f"receipt_{number:06}.png").symlink_to(root / "tiny.png")
        left, top = rng.integers(0, 40, (2, words))
        lengths = rng.integers(1, 12, words)
        rows = [
            f"{x},{y},{x + 9},{y},{x + 9},{y + 5},{x},{y + 5},{'RECEIPTWORDS'[:length]}\n"
            for x, y, length in zip(left.tolist(), top.tolist(), lengths.tolist(), strict=True)
        ]
        (root / "box" / f"receipt_{number:06}.csv").write_text("".join(rows), encoding="ascii")


def write_textocr(root: Path, files: int, words: int) -> None:
    """Write one annotation file for all images, with the given number of words each, and the images."""
    rng = np.random.default_rng(0)
    (root / "train_images").mkdir()
    Image.new("RGB", (64, 64)).save(root / "tiny.png")
    keys = [f"{number:016x}" for number in range(files)]
    for key in keys:
        (root / "train_images" / f"{key}.jpg").symlink_to(root / "tiny.png")
    size = {"width": 64, "height": 64, "set": "train"}
    imgs = {key: {"id": key, **size, "file_name": f"train/{key}.jpg"} for key in keys}
    with (root / "TextOCR_0.1_train.json").open("w", encoding="ascii") as file:
        file.write(f'{{"info": {{}}, "imgs": {json.dumps(imgs)}, "anns": {{')
        for number, key in enumerate(keys):
            for word, (x, y) in enumerate(rng.uniform(0, 40, (words, 2)).tolist()):
                points = [x, y, x + 9, y, x + 9, y + 5, x, y + 5]
                text = {
                    "id": f"{key}_{word}",
                    "image_id": key,
                    "bbox": [x, y, 9, 5],
                    "utf8_string": "RECEIPT",
                }
                comma = "," if number or word else ""
                file.write(f'{comma}"{key}_{word}": {json.dumps(text | {"points": points, "area": 45})}')
        file.write("}}")


class MeasuredSet(Dataset[tuple[int, int, float]]):
    """Yields the process, the number of words of a sample, and the memory of the worker after reading it."""

    def __init__(self, split: LabeledImages) -> None:
        self.split = split

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, index: int) -> tuple[int, int, float]:
        words = len(self.split[index].texts)
        return os.getpid(), words, unique() if index % 200 < 2 else 0.0


def read_in_workers(split: LabeledImages, workers: int) -> Iterator[tuple[int, int, float]]:
    """Yield the process, the words and the size in MB after each sample."""
    loader: Any = DataLoader(
        MeasuredSet(split), batch_size=None, num_workers=workers, multiprocessing_context="fork"
    )
    return iter(loader)


def main() -> None:
    """Write and read a dataset, and print the memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--format", choices=["sroie", "textocr"], default="sroie")
    parser.add_argument("--files", type=int, default=20000)
    parser.add_argument("--words", type=int, default=50)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        context = Context(task=Task.detection)
        dataset: LazySplits
        if args.format == "sroie":
            write(root, args.files, args.words)
            dataset = Sroie(PairedConfig(name="sroie", root=root, val_share=0), context)
        else:
            write_textocr(root, args.files, args.words)
            dataset = TextOcr(TextOcrConfig(name="textocr", root=root, val_share=0), context)
        gc.collect()
        before, rss_before, peak_before = unique(), resident(), peak()
        start = time.perf_counter()
        split = dataset.train
        seconds = time.perf_counter() - start
        assert split is not None
        gc.collect()
        report = context.data_report
        print(f"{report.labels:,} words on {report.images:,} images read in {seconds:.0f} s")
        print(f"parent: USS {unique() - before:+.0f} MB, RSS {resident() - rss_before:+.0f} MB,", end=" ")
        print(f"peak RSS +{max(0.0, peak() - max(peak_before, rss_before)):.0f} MB")
        sizes: dict[int, list[float]] = {}
        read = 0
        for worker, words, size in read_in_workers(split, args.workers):
            read += words
            if size:
                sizes.setdefault(worker, []).append(size)
        for number, taken in enumerate(sizes.values()):
            first, last = taken[0], taken[-1]
            print(f"worker {number}: USS {first:.1f} MB after a sample, {last - first:+.1f} MB at the end")
        print(f"{read:,} words read by {len(sizes)} workers")


if __name__ == "__main__":
    main()
