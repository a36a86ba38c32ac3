"""Measure the latency and the scores of ocr-trainer-runtime against those of RapidOCR, page by page in turns.

    python benchmarks/latency.py DET REC --data receipts_sroie2019 [--pages 50] [--threads 1]

DET and REC are folders of `ocr-train export --format onnx`. The pages are the validation split of a dataset
of receipts. Both see the same array of each page, and take turns at who is first. The CPU time of a page is
the sum over threads: unlike the latency, other programs on the machine hardly change it.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rapidocr import RapidOCR

import ocr_trainer_runtime
from ocr_trainer.config.compose import compose
from ocr_trainer.config.context import run_context
from ocr_trainer.data.open import open_splits
from ocr_trainer.metrics import cleval, icdar

Found = tuple[list[np.ndarray], list[str]]
"""The outlines of a page, and their texts."""


def ours(det: Path, rec: Path, threads: int) -> Callable[[np.ndarray], Found]:
    """Return what reads a page with the runtime."""
    reader = ocr_trainer_runtime.load(det, rec, threads=threads)

    def read(image: np.ndarray) -> Found:
        words = reader.predict(image).words
        return [word.polygon for word in words], [word.text for word in words]

    return read


def rapidocr(threads: int) -> Callable[[np.ndarray], Found]:
    """Return what reads a page with RapidOCR and its own models, without the classifier of directions."""
    engine = RapidOCR(
        params={
            "Global.log_level": "critical",
            "Global.use_cls": False,
            "EngineConfig.onnxruntime.intra_op_num_threads": threads,
        }
    )

    def read(image: np.ndarray) -> Found:
        result = engine(image[..., ::-1])  # it takes BGR
        boxes = result.boxes if result.boxes is not None else []
        return [np.asarray(box, dtype=np.float32) for box in boxes], list(result.txts or [])

    return read


class Side:
    """What one of the two has taken and found so far."""

    def __init__(self, read: Callable[[np.ndarray], Found]) -> None:
        self.read = read
        self.wall: list[float] = []
        self.cpu: list[float] = []
        self.cleval, self.icdar = cleval.Counts(), icdar.Counts()

    def run(self, sample: Any) -> None:
        """Read a page, and count what is right. Receipts are labeled in upper case."""
        wall, cpu = time.perf_counter(), time.process_time()
        polygons, texts = self.read(sample.image)
        self.wall.append(time.perf_counter() - wall)
        self.cpu.append(time.process_time() - cpu)
        upper = [text.upper() for text in texts]
        self.cleval += cleval.evaluate(sample.polygons, sample.texts, sample.ignore, polygons, upper)
        self.icdar += icdar.match(sample.polygons, sample.ignore, polygons)

    def summary(self) -> str:
        """Return the medians and the scores in one line."""
        wall, cpu = statistics.median(self.wall), statistics.median(self.cpu)
        scores = (
            f"{self.cleval.detection.hmean:.4f} | {self.cleval.end_to_end.hmean:.4f} | {self.icdar.hmean:.4f}"
        )
        return f"{wall:.2f} s | {cpu:.2f} s | {scores}"


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("det", type=Path)
    parser.add_argument("rec", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pages", type=int, default=50)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    run = compose(["model=dbnet", "dataset=sroie", f"dataset.root={given.data}", "logger=[]"])
    pages = open_splits(run, run_context(run, Path())).val
    sides = {
        "ocr-trainer-runtime": Side(ours(given.det, given.rec, given.threads)),
        "RapidOCR": Side(rapidocr(given.threads)),
    }
    for side in sides.values():
        side.read(pages[0].image)  # the first page warms up
    for number in range(min(given.pages, len(pages))):
        sample = pages[number]
        for side in list(sides.values())[:: 1 if number % 2 else -1]:
            side.run(sample)
    print("| | latency | CPU time | CLEval | CLEval end to end | IoU hmean |\n|---|---|---|---|---|---|")
    for name, side in sides.items():
        print(f"| {name} | {side.summary()} |")
    one, other = sides.values()
    for what in ("wall", "cpu"):
        ratios = [a / b for a, b in zip(getattr(one, what), getattr(other, what), strict=True)]
        print(f"median ratio of {what} time per page: {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
