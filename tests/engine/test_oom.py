"""Too little memory is told with what to lower; a long run takes no more than a short one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.fitting import CRNN, finite_checkpoint, fit
from torch.utils.data import DataLoader

from ocr_trainer.config.compose import compose
from ocr_trainer.data.types import Batch
from ocr_trainer.engine import build
from ocr_trainer.engine.callbacks.oom import LatestBatch, explain_memory
from ocr_trainer.plugin import Context, Task
from ocr_trainer.tasks.base import LearningTask, task_class
from ocr_trainer.tasks.detection.data import DetectionSet, collate_training

CUDA = (
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.10 GiB of which 1.20 GiB "
    "is free. Including non-PyTorch memory, this process has 77.8 GiB memory in use. Of the allocated memory "
    "70.1 GiB is allocated by PyTorch, and 7.1 GiB is reserved by PyTorch but unallocated."
)
DETECTOR = ["model=dbnet", "dataset=synthetic", "augment.crop=640", "data.num_workers=4"]
RECOGNIZER = ["model=crnn", "dataset=synthetic", "charset.characters='01'", "data.num_workers=4"]


def latest(*shape: int, scored: bool = False) -> LatestBatch:
    found = LatestBatch()
    found.shape, found.scored = shape or None, scored
    return found


def options(message: str) -> list[str]:
    """Return the overrides that a message advises to try."""
    tried = [row.removeprefix("  try ") for row in message.splitlines() if row.startswith("  try ")]
    return [word for row in tried for word in row.split(" (")[0].split()]


def test_case_31_the_message_has_the_shape_and_what_to_lower():
    run = compose([*DETECTOR, "data.batch_size=16", "trainer.accumulate_grad_batches=2"])
    error = torch.OutOfMemoryError(CUDA)
    assert explain_memory(error, latest(16, 3, 640, 640), run, task_class(Task.detection)) == (
        "GPU out of memory: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total "
        "capacity of 79.10 GiB of which 1.20 GiB is free. Including non-PyTorch memory, this process …\n"
        "  the latest training batch: 16 x 3 x 640 x 640 (images, channels, height, width)\n"
        "  try data.batch_size=8 trainer.accumulate_grad_batches=4 (as many images per step)\n"
        "  try augment.crop=448 (smaller images)\n"
        "  try trainer.precision=bf16-mixed (activations take half)"
    )


@pytest.mark.parametrize(
    ("words", "task", "error", "shape", "scored", "expected"),
    [
        (
            RECOGNIZER, Task.recognition, torch.OutOfMemoryError(CUDA), (64, 3, 32, 800), False,
            ["data.batch_size=32", "trainer.accumulate_grad_batches=2", "trainer.precision=bf16-mixed", "model.size=small"],
        ),
        (
            RECOGNIZER, Task.recognition, MemoryError(), (64, 3, 32, 800), False,
            ["data.batch_size=32", "trainer.accumulate_grad_batches=2", "data.num_workers=2", "data.bucket_batches=4", "model.size=small"],
        ),
        (DETECTOR, Task.detection, torch.OutOfMemoryError(CUDA), (1, 3, 736, 1280), True, ["trainer.precision=bf16-mixed", "model.size=512"]),
        (DETECTOR, Task.detection, MemoryError(), (), False, ["augment.crop=448", "data.num_workers=2"]),
    ],
)  # fmt: skip
def test_case_31_what_to_try_can_be_tried(
    words: list[str], task: Task, error: Exception, shape: tuple[int, ...], scored: bool, expected: list[str]
):
    message = explain_memory(error, latest(*shape, scored=scored), compose(words), task_class(task))
    assert options(message) == expected
    compose([*words, *options(message)])


def test_case_31_other_errors_are_not_explained_so_and_hidden_ones_are_found():
    run = compose(DETECTOR)
    assert (
        explain_memory(
            RuntimeError("the size of tensor a (3) must match"), latest(), run, task_class(Task.detection)
        )
        is None
    )

    def untidy() -> None:
        try:
            np.ones(1 << 45, dtype=np.uint8)
        finally:
            raise RuntimeError("cannot tidy up")

    with pytest.raises(RuntimeError) as caught:
        untidy()
    assert "Unable to allocate 32.0 TiB" in explain_memory(
        caught.value, latest(), run, task_class(Task.detection)
    )


@pytest.mark.parametrize("accumulate", [1, 2])
def test_case_31_the_checkpoint_is_that_of_the_step_before(accumulate: int, tmp_path: Path):
    def exhaust(task: LearningTask, batches: set[int]) -> None:
        parts, before = task.loss_parts, iter(range(100))

        def exhausted(batch: Batch) -> dict[str, torch.Tensor]:
            found = parts(batch)
            if next(before) in batches:
                torch.ones(1 << 45, dtype=torch.uint8)
            return found

        task.loss_parts = exhausted

    met = LatestBatch()
    with pytest.raises(RuntimeError) as caught:
        fit(tmp_path, CRNN, exhaust, {3}, met, accumulate_grad_batches=accumulate)
    message = explain_memory(caught.value, met, compose(CRNN), task_class(Task.recognition))
    assert f"the latest training batch: 8 x 3 x 32 x {met.shape[3]} (images" in message
    assert "try data.batch_size=4 trainer.accumulate_grad_batches=2" in message
    finite_checkpoint(tmp_path / "last.ckpt")
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == 3 // accumulate


class Vast:
    """A split whose samples are larger than any memory."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Any:
        return self.make()


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: np.ones(1 << 45, dtype=np.uint8), "Unable to allocate 32.0 TiB"),
        (lambda: torch.ones(1 << 45, dtype=torch.uint8), "you tried to allocate 35184372088832 bytes"),
    ],
    ids=["numpy", "torch"],
)
def test_case_32_what_a_worker_lacks_is_told(make: Callable[[], Any], said: str, workers: int):
    run = compose(DETECTOR)
    model = build.build_model(run, Context(task=Task.detection))
    dataset = DetectionSet(Vast(make), model, run)
    batches = iter(DataLoader(dataset, batch_size=2, num_workers=workers, collate_fn=collate_training))
    with pytest.raises((RuntimeError, MemoryError)) as caught:
        next(batches)
    message = explain_memory(caught.value, latest(), run, task_class(Task.detection))
    assert message.startswith("machine out of memory: ")
    assert said in message.splitlines()[0]
    assert options(message) == ["augment.crop=448", "data.num_workers=2"]


LIMITED = """
import resource, sys
from pathlib import Path
import lightning.pytorch, cv2
from ocr_trainer.cli.main import main
from ocr_trainer.engine import train
taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + int(sys.argv.pop(1)),) * 2)
sys.exit(main())
"""
SMALL = ["model=dbnet", "model.neck_channels=8", "model.size=128", "augment.crop=64", "data.batch_size=2"]
SMALL += ["dataset=synthetic", "dataset.train_pages=4", "dataset.val_pages=1", "dataset.test_pages=1"]
SMALL += ["dataset.height=128", "dataset.width=128", "trainer.accelerator=cpu", "trainer.max_epochs=1"]


@pytest.mark.parametrize(
    ("mb", "workers"),
    [(150, 0), *(pytest.param(mb, w, marks=pytest.mark.slow) for mb in (25, 50, 100) for w in (0, 2))],
)
def test_case_32_a_small_limit_ends_the_run_with_words(mb: int, workers: int, tmp_path: Path):
    words = [*SMALL, f"data.num_workers={workers}"]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(mb * 1_000_000), *words],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    # Below 0 a signal would have ended it.
    assert done.returncode in (1, 2), done.stderr
    # OpenBLAS ends a process by itself, in its own words.
    assert re.search("allocate memory|MemoryError|Memory allocation", done.stderr)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_case_33_a_long_run_takes_no_more_than_a_short_one():
    soak = Path(__file__).parents[2] / "benchmarks" / "soak.py"
    done = subprocess.run(
        [sys.executable, str(soak), "--steps", "500"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=1100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    rows = re.findall(r"^steps to .*; descriptors (\[.*\]), threads (\[.*\])$", done.stdout, re.MULTILINE)
    # The second validation loader's processes and threads are there from the second hundred on.
    assert len(rows) == 5
    assert len(set(rows[2:])) == 1
    found = re.search(
        r"^after step 150: ([-+.\d]+) MB in 100 steps, of (\d+) samples$", done.stdout, re.MULTILINE
    )
    assert int(found[2]) == 35
    assert float(found[1]) < 0.1
