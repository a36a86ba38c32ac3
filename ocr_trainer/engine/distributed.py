"""Processes that train together: what they agree on, what each must have, and that none outlives the others.

Lightning's launcher has the first process start the rest; torchrun's agent starts them all. Either way a
process whose parent ended is killed by the system, and one that waits for another in vain, or finds it
gone, ends with an error.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import torch
from lightning.pytorch.strategies import DDPStrategy
from torch.distributed import PrefixStore, TCPStore  # type: ignore[attr-defined]

from ocr_trainer.data.loader import all_reduce_sum, rank_and_world_size
from ocr_trainer.data.workers import set_parent_death_signal
from ocr_trainer.errors import DataError, ProcessLost
from ocr_trainer.internals.lightning import backend_and_timeout
from ocr_trainer.runs.run_dir import is_rank_zero
from ocr_trainer.runs.signals import Stopped

PATIENCE = timedelta(seconds=120)
"""For the first process to compose its run."""

FAREWELL = 10.0
"""Seconds in which the first process ends, after a signal to any."""

LOST = re.compile(r"closed by peer|reset by peer|Broken pipe|Connection refused|[Tt]ime(d |)out|gloo|NCCL")
"""How torch words that another process does not answer."""

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def share_choice(choose: Callable[[Path | None], Path | None]) -> Path | None:
    """Return what the first process chooses, in all of them: a folder, or none if nothing is to be done.

    Args:
        choose: Called with the folder that was chosen before torchrun's agent started the processes again:
            the agent keeps it.
    """
    store, restart = _agent(PATIENCE), restarts()
    answer, before = (f"ocr_trainer/folder/{count}" for count in (restart, restart - 1))
    if not is_rank_zero():
        chosen = store.get(answer).decode()
        return Path(chosen) if chosen else None
    known = store.get(before).decode() if restart and store.check([before]) else ""
    folder = choose(Path(known) if known else None)
    store.set(answer, str(folder or ""))
    return folder


def restarts() -> int:
    """Return how often torchrun's agent has started this process again."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


def _agent(timeout: timedelta) -> TCPStore:
    return TCPStore(
        os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), is_master=False, timeout=timeout
    )


class RestartableDDPStrategy(DDPStrategy):
    """Lightning's DDP, for processes that torchrun's agent starts again, too.

    The agent keeps their addresses of the last time, to which they would connect in vain.
    """

    def setup_distributed(self) -> None:
        """Have the processes meet."""
        if restarts() and not torch.distributed.is_initialized():
            backend, timeout = backend_and_timeout(self)
            torch.distributed.init_process_group(
                backend,
                store=PrefixStore(f"ocr_trainer/{restarts()}", _agent(timeout or PATIENCE)),
                rank=int(os.environ["RANK"]),
                world_size=int(os.environ["WORLD_SIZE"]),
                timeout=timeout,
            )
        super().setup_distributed()


def started_by_lightning() -> bool:
    """Tell whether the first process of this run started this one."""
    return not is_rank_zero() and "TORCHELASTIC_RUN_ID" not in os.environ and "SLURM_PROCID" not in os.environ


def check_enough_samples(samples: Mapping[str, int], processes: int) -> None:
    """Refuse splits that leave a process without any sample: all of them step, and score, together.

    Args:
        samples: How many each split has.
        processes: How many there are.

    Raises:
        DataError: One has too few.
    """
    for split, count in samples.items():
        if 0 < count < processes:
            raise DataError(
                f"the {split} split has {count} sample{'s' * (count > 1)} "
                f"for {processes} processes: each needs one\n"
                "  try fewer with trainer.devices=…"
            )


def gather_dict(own: Mapping[K, V]) -> dict[K, V]:
    """Return what all processes have noted, that of the first of them first."""
    return {key: value for noted in all_reduce_sum([dict(own)]) for key, value in noted.items()}


@contextmanager
def joint_shutdown(timeout: float) -> Iterator[None]:
    """Let this process end with the others.

    Args:
        timeout: Seconds after which another process counts as lost.

    Raises:
        ProcessLost: Another process ended or hangs.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ or started_by_lightning():
        set_parent_death_signal()
    try:
        yield
    except BaseException as error:
        if started_by_lightning():
            # So that it finds out, should it have been halted.
            os.kill(os.getppid(), signal.SIGCONT)
            if isinstance(error, Stopped):
                # Lightning kills the first process once another ended by a signal. When it ends, so do we.
                time.sleep(FAREWELL)
        if isinstance(error, RuntimeError) and rank_and_world_size()[1] > 1 and LOST.search(str(error)):
            raise ProcessLost(
                f"another process of this run ended, or did not answer for {timeout:g} s (distributed.timeout)"
            ) from error
        raise
