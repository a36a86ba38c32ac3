"""What a model says about its export: the network, and what its outputs mean.

An export has the network alone. Everything after it stays one code: the scores of an export are computed with
the model's own `decode` on what the exported network returned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from torch import Tensor, nn


class OutputKind(Enum):
    """What the main output of a network holds."""

    regions = "regions"
    """The probability that a pixel belongs to the kernel of a text: float, (batch, height, width)."""
    ctc = "ctc"
    """Logits per step, from left to right: float, (batch, steps, classes). Class 0 is CTC's blank, class
    1 + k character k. A second output, "steps", int64, (batch,), counts the steps that are not padding."""
    positions = "positions"
    """Logits per position in the text: float, (batch, positions, classes). Class 0 ends the text, class 1 + k
    is character k. The last position is taken for the end, whatever it holds."""


@dataclass(frozen=True)
class Exportable:
    """A network to export."""

    network: nn.Module
    """In evaluation mode. Called with uint8 images, (batch, 3, height, width), RGB, and for a recognizer with
    widths, int64, (batch,), it returns a dict that the model's `decode` accepts. Tracing must not fix batch
    and sizes: take them from `x.shape`, not from `len(x)`."""
    kind: OutputKind
    output: str
    """The name of the main output in that dict."""
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    """How images are resized, as plain values: the model's options and their meaning are its own."""
    postprocessing: Mapping[str, Any] = field(default_factory=dict)
    """The options of `decode`, calibrated ones included, as plain values."""
    width: int | None = None
    """The only width of images that the network takes, in pixels; None if it takes any."""

    def probabilities(self, outputs: Mapping[str, Tensor]) -> Tensor:
        """Return the main output as float32 probabilities, of its own shape."""
        values = outputs[self.output].float()
        return values if self.kind is OutputKind.regions else values.softmax(-1)
