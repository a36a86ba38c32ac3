"""Find out whether a callback has changed a batch, without copying it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ocr_trainer.data.types import Batch

Snapshot = dict[str, tuple[Any, Any]]
"""The parts of a batch by name: each value, and a mark that a change in place changes."""


def snapshot(batch: Batch) -> Snapshot:
    """Return the parts of a batch as they are now; it holds references, not copies."""
    parts: dict[str, Any] = {"images": batch.images, "widths": batch.widths, "texts": batch.texts}
    parts |= {"sources": batch.sources, "ground truths": batch.ground_truths}
    parts |= {f"target '{name}'": target for name, target in batch.targets.items()}
    return {name: (value, _mark(value)) for name, value in parts.items()}


def _mark(value: Any) -> Any:
    if isinstance(value, Tensor):
        # Tensors made in inference mode count no versions.
        return int(torch.hash_tensor(value)) if value.is_inference() else value._version
    return [id(item) for item in value] if isinstance(value, list) else value


def changed_parts(before: Snapshot, batch: Batch) -> list[str]:
    """Return the names of the parts that have changed, in place or by another value."""
    after = snapshot(batch)
    return [
        name
        for name in dict.fromkeys([*before, *after])
        if name not in before
        or name not in after
        or before[name][0] is not after[name][0]
        or before[name][1] != after[name][1]
    ]


def misfit(before: Snapshot, batch: Batch) -> str | None:
    """Return how a changed batch violates the contract of `Batch`, or None.

    Tensors must keep device, dtype and number of dimensions, and the number of images must stay.
    """
    after = snapshot(batch)
    for name, (old, _) in before.items():
        new = after[name][0] if name in after else None
        if not isinstance(old, Tensor):
            continue
        if not isinstance(new, Tensor):
            return f"the {name} is gone" if new is None else f"the {name} is a {type(new).__name__}"
        if (form := _form(new)) != _form(old):
            return f"the {name} must be {_form(old)}, not {form}"
        if len(new) != len(old):
            return f"the {name} has {len(new)} rows instead of {len(old)}"
    return None


def _form(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} of {tensor.ndim} dimensions on {tensor.device}"
