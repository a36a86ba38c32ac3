"""Measure the cost of atomic checkpoints: our saves against Lightning's, alternating in one run.

    python benchmarks/checkpoints.py [OVERRIDE…]

This trains a detector on synthetic pages. Each state is saved by both, in alternating order. The time of
Lightning's saves does not count as time of the run. The time of fsync, which waits until file and folder are
on the disk, is also shown separately. Nothing here is asserted.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch import Trainer

from ocr_trainer.checkpoint.callback import CheckpointFileIO
from ocr_trainer.cli.main import main as ocr_train
from ocr_trainer.engine import build

RUN = (
    *("model=dbnet", "dataset=synthetic", "dataset.train_pages=64", "dataset.val_pages=4"),
    *(
        "dataset.test_pages=1",
        "dataset.height=320",
        "dataset.width=320",
        "model.size=320",
        "augment.crop=320",
    ),
    *(
        "data.batch_size=4",
        "data.num_workers=0",
        "trainer.max_epochs=4",
        "trainer.accelerator=cpu",
        "logger=csv",
    ),
    *("calibrate.enabled=false", "trainer.limit_test_batches=0", "trainer.enable_progress_bar=false"),
)


class CallTimer:
    """Records the seconds of each call, by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}

    def timed(self, name: str, do: Callable[..., Any]) -> Callable[..., Any]:
        """Return a wrapper of a function that records its time."""

        def wrapper(*args: Any, **options: Any) -> Any:
            start = time.perf_counter()
            try:
                return do(*args, **options)
            finally:
                self.seconds.setdefault(name, []).append(time.perf_counter() - start)

        return wrapper

    def sum(self, *names: str) -> float:
        """Return the total seconds of several names."""
        return sum(sum(self.seconds.get(name, ())) for name in names)


class BothIO(CheckpointFileIO):
    """Saves each checkpoint with our IO and with Lightning's."""

    def __init__(self, timer: CallTimer) -> None:
        self.saves = [
            timer.timed("ours", super().save_checkpoint),
            timer.timed("Lightning's", TorchCheckpointIO().save_checkpoint),
        ]
        self.size = 0

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Save twice, in alternating order: the second save profits from caches."""
        ours, theirs = self.saves
        saves: list[tuple[Callable[..., Any], Any, Any]] = [
            (ours, path, storage_options),
            (theirs, Path(path).with_name("lightning.ckpt"), None),
        ]
        self.ours_first = not getattr(self, "ours_first", False)
        for save, target, options in saves if self.ours_first else saves[::-1]:
            save(checkpoint, target, options)
        self.size = Path(path).stat().st_size


def run(words: list[str]) -> None:
    """Train, and print the time of saving."""
    timer, make, fsync = CallTimer(), build.make_trainer, os.fsync
    storage = BothIO(timer)

    def measured(**options: Any) -> Trainer:
        trainer = make(**options | {"plugins": [storage]})
        trainer.fit = timer.timed("fit", trainer.fit)  # type: ignore[method-assign]
        return trainer

    build.make_trainer = measured
    os.fsync = timer.timed("fsync", fsync)
    try:
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            sys.argv = ["ocr-train", *RUN, f"output_dir={folder}", *words]
            if status := ocr_train():
                sys.exit(status)
    finally:
        build.make_trainer, os.fsync = make, fsync
    ours, theirs = timer.seconds["ours"], timer.seconds["Lightning's"]
    ratios = sorted(our_time / their_time for our_time, their_time in zip(ours, theirs, strict=True))
    fit = timer.sum("fit") - timer.sum("Lightning's")
    print(f"\n{len(ours)} saves of {storage.size / 1e6:.0f} MB in {fit:.1f} s of training")
    print(f"median save: ours {statistics.median(ours):.3f} s, Lightning's {statistics.median(theirs):.3f} s")
    print(f"ours to Lightning's: {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")
    for name, seconds in (
        ("fsync", timer.sum("fsync")),
        ("saving in total", timer.sum("ours")),
        ("saving in total, minus Lightning's", timer.sum("ours") - timer.sum("Lightning's")),
    ):
        print(f"{name}: {seconds:.3f} s, {seconds / fit:.2%} of the run")


if __name__ == "__main__":
    run(sys.argv[1:])
