"""Measure whether the memory, file descriptors and threads of a run grow.

    python benchmarks/soak.py [--steps 500] [--warm-up 150] [OVERRIDE…]

This trains a small detector on synthetic pages with two workers, and scores and saves it every 100 steps.
Every tenth step, it collects garbage, lets malloc return free memory, and measures the process. Batches that
come from the workers are in shared memory, which does not count; their descriptors do count, so the number of
descriptors varies by a few. Nothing here is asserted.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import Callback, Trainer

from ocr_trainer.cli.main import main as ocr_train
from ocr_trainer.engine import build

RUN = (
    *("model=dbnet", "model.neck_channels=8", "model.size=128", "augment.crop=64", "data.batch_size=2"),
    *("dataset=synthetic", "dataset.train_pages=100", "dataset.val_pages=8", "dataset.test_pages=1"),
    *("dataset.height=128", "dataset.width=128", "data.num_workers=2", "trainer.accelerator=cpu"),
    *("logger=csv", "trainer.log_every_n_steps=1", "trainer.max_epochs=-1"),
    *("trainer.check_val_every_n_epoch=null", "trainer.val_check_interval=100"),
)


@dataclass(frozen=True)
class Sample:
    """The state of the process at a step."""

    step: int
    anonymous: float
    """Resident anonymous memory, in MB."""
    descriptors: int
    threads: int


class Samples(Callback):
    """Measures the process every tenth step."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.trim = ctypes.CDLL(None).malloc_trim

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Add a sample."""
        if trainer.global_step % 10:
            return
        gc.collect()
        self.trim(0)
        own = Path("/proc/self")
        status = (own / "status").read_text(encoding="ascii")
        anonymous = int(re.search(r"RssAnon:\s+(\d+)", status)[1]) * 1024 / 1e6  # type: ignore[index]
        descriptors, threads = (len(list((own / name).iterdir())) for name in ("fd", "task"))
        self.samples.append(Sample(trainer.global_step, anonymous, descriptors, threads))


def soak(steps: int, words: list[str]) -> list[Sample]:
    """Train for a number of steps and return the samples."""
    samples, make = Samples(), build.make_trainer

    def sampled(**options: Any) -> Trainer:
        return make(**options | {"callbacks": [*options["callbacks"], samples]})

    build.make_trainer = sampled
    with tempfile.TemporaryDirectory() as folder:
        sys.argv = ["ocr-train", *RUN, f"trainer.max_steps={steps}", f"output_dir={folder}", *words]
        try:
            if status := ocr_train():
                print(f"the run ended with status {status}", file=sys.stderr)
        finally:
            build.make_trainer = make
    return samples.samples


def slope(samples: list[Sample]) -> float:
    """Return the growth in MB per 100 steps: the slope of a least-squares line."""
    steps, sizes = zip(*((s.step, s.anonymous) for s in samples), strict=True)
    return float(np.polyfit(steps, sizes, 1)[0]) * 100


def main() -> None:
    """Train, and print the samples of every 100 steps and the slope."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--warm-up", type=int, default=150)
    parser.add_argument("overrides", nargs="*")
    args = parser.parse_args()
    samples = soak(args.steps, args.overrides)
    for first in range(0, args.steps, 100):
        window = [s for s in samples if first < s.step <= first + 100]
        sizes = [s.anonymous for s in window]
        descriptors, threads = ({getattr(s, n) for s in window} for n in ("descriptors", "threads"))
        print(f"steps to {first + 100}: {min(sizes):.2f} to {max(sizes):.2f} MB, median", end=" ")
        print(f"{np.median(sizes):.2f}; descriptors {sorted(descriptors)}, threads {sorted(threads)}")
    warm = [s for s in samples if s.step > args.warm_up]
    print(f"after step {args.warm_up}: {slope(warm):+.3f} MB in 100 steps, of {len(warm)} samples")


if __name__ == "__main__":
    main()
