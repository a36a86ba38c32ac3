"""What ocr-trainer is told about CRNN before any of it is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from ocr_trainer.plugin import ModelPlugin, Task, option
from ocr_trainer.plugin.options import CtcConfig

STRIDE = 4
"""Columns of the image per step."""
HEIGHT_STRIDE = 16
"""Rows of the image per row that the last convolution sees."""


class Size(Enum):
    """How wide the network is; `base` is the paper's, the others are ours."""

    tiny = "tiny"
    small = "small"
    base = "base"

    @property
    def share(self) -> int:
        """What the paper's channels and hidden units are divided by."""
        return {Size.tiny: 4, Size.small: 2, Size.base: 1}[self]


@dataclass
class CRNNConfig(CtcConfig):
    """The options of CRNN."""

    size: Size = Size.base
    """base: the paper's network; small, tiny: with half and a quarter of its channels and hidden units."""

    dropout: float = option(0.0, at_least=0, below=1)
    """The share of values dropped behind each recurrent layer in training."""

    def validate(self) -> Iterator[str]:
        """Yield what is wrong with the options taken together."""
        yield from super().validate()
        if self.height % HEIGHT_STRIDE:
            yield f"height={self.height} must be a multiple of {HEIGHT_STRIDE}"
        if self.min_width < 2 * STRIDE:
            yield f"min_width={self.min_width} must be {2 * STRIDE} at least: narrower images give no step"


crnn = ModelPlugin(
    api=1,
    summary="CRNN: convolutions, two recurrent layers and CTC (Shi et al., TPAMI 2017)",
    config=CRNNConfig,
    task=Task.recognition,
    factory="ocr_trainer_crnn.model:CRNN",
)
