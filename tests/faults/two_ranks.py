"""Two processes that train together: forked as torchrun's agent would start them, or by the real launchers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch
from faults import launching
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from ocr_trainer.checkpoint.read import read
from ocr_trainer.data.types import Batch

TWO = [
    *("trainer.accelerator=cpu", "trainer.devices=2", "trainer.strategy=ddp", "distributed.timeout=20"),
    "data.num_workers=0",
]
SCRIPT = Path(sys.executable).parent
MARK = "TEST_OF_TWO_RANKS"
"""A variable of the environment by which the processes of a test are known."""
LAUNCHERS = {
    "lightning": [str(SCRIPT / "ocr-train")],
    "torchrun": [
        *(str(SCRIPT / "torchrun"), "--standalone", "--nproc-per-node=2"),
        *("-m", "ocr_trainer"),
    ],
}


def forked(
    words: Sequence[str], folder: Path, ranks: int = 2, change: Callable[[], None] | None = None
) -> list[int]:
    """Run `ocr-train` in processes that have everything imported; return how each ended.

    Args:
        words: Its arguments.
        folder: Where; what they say is in `output.txt` there.
        ranks: How many processes.
        change: Called in each of them first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    processes: list[BaseProcess] = []
    for rank in range(ranks):
        agent = {
            **{"RANK": str(rank), "LOCAL_RANK": str(rank), "GROUP_RANK": "0", "WORLD_SIZE": str(ranks)},
            **{"LOCAL_WORLD_SIZE": str(ranks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port)},
            **{"TORCHELASTIC_RUN_ID": "forked", "TORCHELASTIC_USE_AGENT_STORE": "True"},
        }
        words_of = (list(words), str(folder), agent if ranks > 1 else {}, change)
        processes.append(launching._server().Process(target=_changed, args=words_of))
        processes[-1].start()
    return [launching.status(process, 120) for process in processes]


def _changed(
    words: list[str], folder: str, environment: dict[str, str], change: Callable[[], None] | None
) -> None:
    os.environ.update(environment)
    if change is not None:
        change()
    launching._run(words, folder, environment, group=False)


def sums_of_images() -> None:
    """Make a model's loss of a batch the mean of its images' losses, and have BatchNorm normalize nothing.

    DBNet's own loss looks for hard negatives in the whole batch, and BatchNorm normalizes over it: two halves
    of a batch have other losses than the whole.
    """
    from torch.nn.modules.batchnorm import _BatchNorm

    from ocr_trainer.tasks.detection.task import DetectionTask
    from ocr_trainer.tasks.recognition.task import RecognitionTask

    _BatchNorm.forward = lambda norm, x: torch.nn.functional.batch_norm(  # type: ignore[method-assign]
        x, norm.running_mean, norm.running_var, norm.weight, norm.bias, training=False, eps=norm.eps
    )
    for task in (DetectionTask, RecognitionTask):
        task.loss_parts = _by_image(task.loss_parts)  # type: ignore[method-assign]


LossParts = Callable[[Any, Batch], dict[str, torch.Tensor]]


def _by_image(loss_parts: LossParts) -> LossParts:
    def mean(task: Any, batch: Batch) -> dict[str, torch.Tensor]:
        parts = [loss_parts(task, _image(batch, place, task.model.stride)) for place in range(len(batch))]
        return {name: torch.stack([part[name] for part in parts]).mean() for name in parts[0]}

    return mean


def _image(batch: Batch, place: int, stride: int) -> Batch:
    """Return one image of a batch, without the columns that it has for the others' sake."""
    one = slice(place, place + 1)
    images, widths = batch.images[one], None
    if batch.widths is not None:
        widths = batch.widths[one]
        images = images[..., : -(-int(widths) // stride) * stride]
    return Batch(images, {name: value[one] for name, value in batch.targets.items()}, widths=widths)


class Launched:
    """Two processes started by a launcher; what they say is in `output.txt`."""

    def __init__(self, launcher: str, words: Sequence[str], folder: Path, *options: str) -> None:
        """Start them.

        Args:
            launcher: One of LAUNCHERS.
            words: The arguments of `ocr-train`.
            folder: Where.
            options: Of torchrun.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.launcher, self.folder = launcher, folder
        with (folder / "output.txt").open("ab") as output:
            self.parent = subprocess.Popen(
                [*LAUNCHERS[launcher][:3], *options, *LAUNCHERS[launcher][3:], *words],
                cwd=folder,
                env={**os.environ, "OMP_NUM_THREADS": "1", MARK: str(folder)},
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )

    @property
    def said(self) -> str:
        """What they said so far."""
        return (self.folder / "output.txt").read_text(encoding="utf-8")

    def living(self) -> dict[int, str]:
        """Return all processes that live, and the rank of each ("" for none); torchrun's have their own session."""
        found, mark = {}, f"{MARK}={self.folder}".encode()
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                variables = (entry / "environ").read_bytes().split(b"\0")
            except OSError:  # it has just ended
                continue
            if state != "Z" and mark in variables:
                ranks = [v.partition(b"=")[2].decode() for v in variables if v.startswith(b"LOCAL_RANK=")]
                found[int(entry.name)] = ranks[0] if ranks else ""
        return found

    def process_of(self, rank: int) -> int:
        """Return the process that is a rank of the run."""
        if self.launcher == "lightning" and rank == 0:
            return self.parent.pid
        return next(pid for pid, found in self.living().items() if found == str(rank))

    def wait_for_step(self, step: int, seconds: float = 90) -> Path:
        """Wait until there is a checkpoint of a step, or a later one; return the run's folder."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.parent.poll() is None:
            for last in self.folder.glob("runs/*/*/checkpoints/last.ckpt"):
                if read(last)["global_step"] >= step:
                    return last.parents[1]
            time.sleep(0.2)
        raise TimeoutError(self.said)

    def end(self, seconds: float = 60) -> tuple[int | None, float, list[int]]:
        """Wait for the end; return the status, the seconds it took, and what lives on, which is killed."""
        began = time.monotonic()
        while time.monotonic() - began < seconds and (self.parent.poll() is None or self.living()):
            time.sleep(0.1)
        status, took, left = self.parent.poll(), time.monotonic() - began, list(self.living())
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.parent.wait(10)
        return status, took, left
