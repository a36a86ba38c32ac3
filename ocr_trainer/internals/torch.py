"""Private parts of torch: worker processes of a DataLoader, buffers, fused updates of tensor lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn
from torch.utils.data._utils import signal_handling

JOIN_TIMEOUT = 5.0
"""Seconds to wait for a killed worker to end."""


def is_worker_handler(handler: Any) -> TypeGuard[Callable[..., Any]]:
    """Return whether a signal handler is the one that torch registers to watch its workers.

    Relies on the handler being defined in `torch.utils.data._utils.signal_handling`.
    """
    return callable(handler) and getattr(handler, "__module__", None) == signal_handling.__name__


def shut_down_workers(batches: Any) -> None:
    """Shut down the workers of a DataLoader iterator, if it has any, after their current batch.

    Relies on `_MultiProcessingDataLoaderIter._shutdown_workers`.
    """
    if hasattr(batches, "_shutdown_workers"):
        batches._shutdown_workers()


def kill_workers(batches: Any) -> None:
    """Kill the workers of a DataLoader iterator, if it has any.

    A worker that hangs does not react to a regular shutdown, and one that died may still hold a lock.
    Relies on `_MultiProcessingDataLoaderIter._shutdown`, `_workers` and `_pin_memory_thread_done_event`,
    and on `signal_handling._remove_worker_pids`.
    """
    if not hasattr(batches, "_shutdown_workers") or batches._shutdown:
        return
    # Deregister first: torch's SIGCHLD handler would report the killed workers as failed.
    batches._shutdown = True
    signal_handling._remove_worker_pids(id(batches))  # type: ignore[attr-defined]
    for worker in batches._workers:
        worker.kill()
    for worker in batches._workers:
        worker.join(JOIN_TIMEOUT)
    # The thread that moves batches to pinned memory would wait for the workers' results.
    if hasattr(batches, "_pin_memory_thread_done_event"):
        batches._pin_memory_thread_done_event.set()


def without_worker_traceback(error: Exception) -> str:
    """Return the message of an exception; of one that torch raised again, the message it had in the worker.

    Relies on `torch._utils.ExceptionWrapper`: its message contains the traceback of the worker, which ends in
    the type and the original message.
    """
    kind = type(error)
    if not str(error).startswith(f"Caught {kind.__name__} in "):
        return str(error)
    return str(error).rpartition(f"\n{kind.__module__}.{kind.__qualname__}: ")[2].rstrip("\n")


def forget_iterator(loader: Any) -> None:
    """Make a DataLoader with persistent workers start new ones next time. Relies on `_iterator`."""
    loader._iterator = None


def float_buffers(module: nn.Module, floating: bool = True) -> list[tuple[dict[str, Any], str]]:
    """Return the floating-point buffers of a module, each as a dictionary of buffers and the key in it.

    With `floating=False`, return its other buffers, such as BatchNorm's count of batches.

    Unlike the tensor, the dictionary stays valid if a forward pass replaces the buffer. Relies on `_buffers`.
    """
    return [
        (part._buffers, name)
        for part in module.modules()
        for name, value in part._buffers.items()
        if value is not None and value.is_floating_point() is floating
    ]


def copy_all(targets: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    """Copy tensors into others with one fused kernel. Relies on `torch._foreach_copy_`."""
    torch._foreach_copy_(list(targets), list(values))


def lerp_all(targets: Sequence[Tensor], values: Sequence[Tensor], weight: float) -> None:
    """Interpolate tensors toward others in place with one fused kernel. Relies on `torch._foreach_lerp_`.

    Args:
        targets: Floating-point tensors, changed to `target + weight * (value - target)`.
        values: Tensors of the same shapes and dtypes.
        weight: 0 to 1.
    """
    torch._foreach_lerp_(list(targets), list(values), weight)


def has_worker_handler() -> bool:
    """Return whether torch has registered its SIGCHLD handler. Relies on `_SIGCHLD_handler_set`."""
    return bool(signal_handling._SIGCHLD_handler_set)


def forget_worker_handler() -> None:
    """Make torch register its SIGCHLD handler with its next workers. Relies on `_SIGCHLD_handler_set`."""
    signal_handling._SIGCHLD_handler_set = False
