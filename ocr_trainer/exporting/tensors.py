"""How far the tensors of an export are from those of its checkpoint, and how far rounding takes both."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ocr_trainer.exporting.exporter import Subject
from ocr_trainer.tasks.exportable import OutputKind

TENSOR_LIMIT = 1e-4
"""The largest difference of a probability that needs no explanation."""
ROUNDING_LIMIT = 10
"""How many times further than the checkpoint an export may be from the same network in float64.

Both round to float32, but add in other orders, and an engine may take other formulas. For PP-OCRv6's
detector on receipts, onnxruntime is up to 4 times further away than torch. A wrong mean, channel or padding
is hundreds of times further away.
"""


@dataclass(frozen=True)
class Rounding:
    """The largest differences of a batch from the network in float64."""

    checkpoint: float
    export: float

    @property
    def explains(self) -> bool:
        """Whether rounding explains how far the export is from the checkpoint."""
        return math.isfinite(self.export) and self.export <= max(
            TENSOR_LIMIT, ROUNDING_LIMIT * self.checkpoint
        )


class Exact:
    """The network of a model in float64, made when it is first needed."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject

    @cached_property
    def model(self) -> Any:
        """A copy of the model with weights of float64."""
        return copy.deepcopy(self.subject.model).double()

    def rounding(
        self, arguments: tuple[Tensor, ...], expected: Mapping[str, Tensor], got: Mapping[str, Tensor]
    ) -> Rounding | None:
        """Return how far both are from the network in float64, or None if it does not run in float64."""
        try:
            exact = self.model(*arguments)
        except RuntimeError:  # a layer that casts to float32
            return None
        return Rounding(
            difference(self.subject, exact, expected, expected),
            difference(self.subject, exact, got, expected),
        )


def difference(
    subject: Subject, one: Mapping[str, Tensor], other: Mapping[str, Tensor], expected: Mapping[str, Tensor]
) -> float:
    """Return the largest difference of a probability; infinity if the shapes differ or one is not a number.

    Args:
        subject: The model.
        one: Outputs of the network.
        other: The same, of other software.
        expected: Those of the checkpoint, which say what is padding.
    """
    ours, theirs = (subject.exportable.probabilities(outputs) for outputs in (one, other))
    kind = subject.exportable.kind
    if kind is OutputKind.ctc:
        theirs = theirs[:, : ours.shape[1]]  # some software pads more
    if ours.shape != theirs.shape:
        return float("inf")
    found = (ours - theirs).abs_()
    if kind is OutputKind.ctc:
        # Steps of padding have no meaning: some formats make them blank.
        found = found[torch.arange(ours.shape[1]) < expected["steps"][:, None]]
    elif kind is OutputKind.positions:
        found = found[:, :-1]  # the last position can only be the end
    greatest = float(found.max()) if found.numel() else 0.0
    return float("inf") if math.isnan(greatest) else greatest
