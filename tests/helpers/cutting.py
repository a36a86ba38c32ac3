"""Cutting runs off at chosen places in this process, and going on with them."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from helpers.launching import differences, run_folder
from lightning.pytorch import Callback, Trainer

from ocr_trainer.checkpoint.read import BEST, LAST, read
from ocr_trainer.cli.main import main
from ocr_trainer.engine import build
from ocr_trainer.runs.signals import STOP
from ocr_trainer.tasks.base import LearningTask

BRIEF = [
    "logger=[]",
    "data.num_workers=0",
    "data.log_images=0",
    "trainer.accelerator=cpu",
    "trainer.max_epochs=2",
]
BRIEF += ["trainer.limit_test_batches=0", "trainer.enable_progress_bar=false"]
DETECTOR = [
    *BRIEF,
    "model=dbnet",
    "calibrate.enabled=false",
    "model.neck_channels=8",
    "model.backbone.width=8",
    "model.size=64",
    "augment.crop=64",
    "dataset=synthetic",
]
DETECTOR += ["dataset.train_pages=4", "dataset.val_pages=2", "dataset.height=64", "dataset.width=64"]
DETECTOR += ["dataset.max_words=5", "data.batch_size=2"]
"""Two epochs of 2 steps."""
WORDS = [
    "dataset=synthetic",
    "dataset.text.charsets=[digits]",
    "dataset.text.val_texts=6",
    "data.batch_size=4",
]
RECOGNIZER = [
    *BRIEF,
    *WORDS,
    "model=crnn",
    "model.size=tiny",
    "dataset.text.train_texts=22",
    "data.bucket_batches=2",
]
"""Two epochs of 6 steps, of pools of 2, 2 and 2 batches."""


class Killed(BaseException):
    """Ends a run at once, with nothing kept, as the system would."""


class Cut(Callback):
    """Ends a run at the n-th call of a hook: by a signal, or as if it were killed."""

    def __init__(self, hook: str, call: int, kill: bool = False) -> None:
        self.left, self.kill = call, kill
        setattr(self, hook, self._count)

    def _count(self, trainer: Trainer, *_: Any, **__: Any) -> None:
        self.left -= not trainer.sanity_checking
        if self.left == 0 and not trainer.sanity_checking:
            if self.kill:
                raise Killed
            signal.raise_signal(signal.SIGTERM)


@contextmanager
def watched(*callbacks: Callback) -> Iterator[None]:
    """Have all runs begun here call further callbacks."""
    make = build.make_trainer
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            build,
            "make_trainer",
            lambda **options: make(**options | {"callbacks": [*callbacks, *options.get("callbacks", ())]}),
        )
        yield


@contextmanager
def telling_scores(task: type[LearningTask]) -> Iterator[None]:
    """Have scores go up and down with the weights: those of runs as short as these are all zero."""
    score = task.score

    def telling(self: LearningTask, split: str) -> dict[str, float]:
        weights = sum(float(p.double().abs().sum()) for p in self.model.parameters()) * 1e4
        return score(self, split) | {self.monitor.name: weights % 1}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(task, "score", telling)
        yield


def ocr_train(place: Path, words: Sequence[str], *callbacks: Callback) -> int:
    """Call the command line in this process, in a folder; return its exit status."""
    place.mkdir(parents=True, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch, watched(*callbacks):
        patch.chdir(place)
        patch.setattr(sys, "argv", ["ocr-train", *words])
        try:
            return main()
        finally:
            STOP.asked = None


def cut_off(place: Path, words: Sequence[str], cut: Cut) -> Path:
    """Begin a run that is cut off; return its folder."""
    if cut.kill:
        with pytest.raises(Killed):
            ocr_train(place, words, cut)
    else:
        assert ocr_train(place, words, cut) == 128 + signal.SIGTERM
    assert cut.left <= 0
    return run_folder(place)


def checkpoints(folder: Path) -> dict[str, Any]:
    """Return all that a run has kept, but for the one before the last, whose step depends on where it was cut."""
    return {name: read(folder / "checkpoints" / name) for name in (BEST, LAST)}


def differ(first: Path, second: Path) -> list[str]:
    """Return where what two runs have kept differs, in any bit."""
    return differences(checkpoints(first), checkpoints(second))
