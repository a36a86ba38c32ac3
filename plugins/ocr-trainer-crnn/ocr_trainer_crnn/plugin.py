"""Description of CRNN; importing it loads neither the network nor torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from ocr_trainer.plugin import ModelPlugin, Task, option
from ocr_trainer.plugin.options import CtcConfig

STRIDE = 4
"""Image columns per step."""
HEIGHT_STRIDE = 16
"""Image rows per row of the last convolution's input."""


class Size(Enum):
    """Width of the network; `base` is the paper's, `small` and `tiny` are not in the paper."""

    tiny = "tiny"
    small = "small"
    base = "base"

    @property
    def divisor(self) -> int:
        """Return what the paper's channels and hidden units are divided by."""
        return {Size.tiny: 4, Size.small: 2, Size.base: 1}[self]


@dataclass
class CRNNConfig(CtcConfig):
    """The options of CRNN."""

    size: Size = Size.base
    """base: the paper's network; small, tiny: half and a quarter of its channels and hidden units."""

    dropout: float = option(0.0, at_least=0, below=1)
    """Dropout probability after each LSTM."""

    def validate(self) -> Iterator[str]:
        """Yield one message per combination of options that is not allowed."""
        yield from super().validate()
        if self.height % HEIGHT_STRIDE:
            yield f"height={self.height} must be a multiple of {HEIGHT_STRIDE}"
        if self.min_width < 2 * STRIDE:
            yield f"min_width={self.min_width} must be at least {2 * STRIDE}: narrower images give no step"


crnn = ModelPlugin(
    api=1,
    summary="CRNN: convolutions, two bidirectional LSTMs and CTC (Shi et al., TPAMI 2017)",
    config=CRNNConfig,
    task=Task.recognition,
    factory="ocr_trainer_crnn.model:CRNN",
    architecture=("size", "height"),
)
