"""Distributed setup: shared run directory, per-rank data checks, joint shutdown.

With Lightning's launcher, rank 0 starts the other processes; with torchrun, its agent starts all of them. In
both cases the system kills a process whose parent ended. A process that waits for a lost one ends with an
error.
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
from ocr_trainer.errors import ConfigError, DataError, ProcessLost
from ocr_trainer.internals.lightning import backend_and_timeout
from ocr_trainer.runs.run_dir import is_rank_zero
from ocr_trainer.runs.signals import Stopped

AGENT = ("MASTER_ADDR", "MASTER_PORT", "RANK", "LOCAL_RANK", "WORLD_SIZE")
"""The variables that torchrun's agent sets for each process; all but the first are numbers."""

PATIENCE = timedelta(seconds=120)
"""How long to wait for rank 0 to choose the run directory."""

SHUTDOWN_TIME = 10.0
"""Seconds that rank 0 gets to end after a signal to any process."""

LOST = re.compile(r"closed by peer|reset by peer|Broken pipe|Connection refused|[Tt]ime(d |)out|gloo|NCCL")
"""Matches torch's messages for a process that does not answer."""

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def share_choice(choose: Callable[[Path | None], Path | None]) -> Path | None:
    """Choose the run directory in rank 0 and return it in all processes.

    Args:
        choose: Called in rank 0 only, with the directory from before torchrun's agent restarted the
            processes, or None. Returns the directory, or None if there is nothing to do.

    Returns:
        What `choose` returned.

    Raises:
        ConfigError: The variables of torchrun are not all set, so no agent has started this process.
    """
    if problem := _agent_problem(os.environ):
        raise ConfigError(problem)
    store, restart = _agent_store(PATIENCE), restarts()
    # The agent's store survives a restart, so each start has a key of its own.
    key, previous_key = (f"ocr_trainer/folder/{count}" for count in (restart, restart - 1))
    if not is_rank_zero():
        chosen = store.get(key).decode()
        return Path(chosen) if chosen else None
    previous = store.get(previous_key).decode() if restart and store.check([previous_key]) else ""
    folder = choose(Path(previous) if previous else None)
    store.set(key, str(folder or ""))
    return folder


def restarts() -> int:
    """Return how many times torchrun's agent has restarted this process."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


def _agent_problem(here: Mapping[str, str]) -> str | None:
    """Return why the variables that torchrun sets for each process cannot be its own, or None."""
    wrong = [name for name in AGENT if not here.get(name)]
    wrong += [name for name in AGENT[1:] if here.get(name) and not re.fullmatch("[0-9]+", here[name])]
    if not wrong:
        return None
    return (
        f"TORCHELASTIC_RUN_ID is set, as torchrun sets it, but {', '.join(wrong)} is missing or no number: "
        "torchrun has not started this process\n"
        "  start the run with torchrun, or without it: env -u TORCHELASTIC_RUN_ID ocr-train …"
    )


def _agent_store(timeout: timedelta) -> TCPStore:
    return TCPStore(
        os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), is_master=False, timeout=timeout
    )


class RestartableDDPStrategy(DDPStrategy):
    """Lightning's DDP strategy, which also works after torchrun's agent has restarted the processes.

    The agent's store still has the addresses of the ended processes. A key prefix per restart hides them.
    """

    def setup_distributed(self) -> None:
        """Initialize the process group."""
        if restarts() and not torch.distributed.is_initialized():
            backend, timeout = backend_and_timeout(self)
            torch.distributed.init_process_group(
                backend,
                store=PrefixStore(f"ocr_trainer/{restarts()}", _agent_store(timeout or PATIENCE)),
                rank=int(os.environ["RANK"]),
                world_size=int(os.environ["WORLD_SIZE"]),
                timeout=timeout,
            )
        super().setup_distributed()


def started_by_lightning() -> bool:
    """Return whether rank 0 of this run started this process."""
    return not is_rank_zero() and "TORCHELASTIC_RUN_ID" not in os.environ and "SLURM_PROCID" not in os.environ


def check_enough_samples(samples: Mapping[str, int], processes: int) -> None:
    """Refuse splits with fewer samples than processes: all processes step and score together.

    Args:
        samples: The number of samples of each split.
        processes: The number of processes.

    Raises:
        DataError: A split has fewer samples.
    """
    for split, count in samples.items():
        if 0 < count < processes:
            raise DataError(
                f"the {split} split has {count} sample{'s' * (count > 1)} "
                f"for {processes} processes: each needs one\n"
                "  use fewer processes with trainer.devices=…"
            )


def gather_dict(own: Mapping[K, V]) -> dict[K, V]:
    """Return the merged dictionaries of all processes, in the order of their ranks."""
    return {key: value for part in all_reduce_sum([dict(own)]) for key, value in part.items()}


@contextmanager
def joint_shutdown(timeout: float) -> Iterator[None]:
    """End this process together with the others.

    Args:
        timeout: The value of `distributed.timeout` in seconds, for the error message.

    Raises:
        ProcessLost: Another process ended or hangs.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ or started_by_lightning():
        set_parent_death_signal()
    try:
        yield
    except BaseException as error:
        if started_by_lightning():
            # A rank 0 that is suspended (SIGSTOP) would never notice that this process ended.
            os.kill(os.getppid(), signal.SIGCONT)
            if isinstance(error, Stopped):
                # Lightning kills rank 0 when another process ends by a signal. Wait: this process is killed
                # when rank 0 has ended by itself.
                time.sleep(SHUTDOWN_TIME)
        if isinstance(error, RuntimeError) and rank_and_world_size()[1] > 1 and LOST.search(str(error)):
            raise ProcessLost(
                f"another process of this run ended or did not answer for {timeout:g} s (distributed.timeout)"
            ) from error
        raise
