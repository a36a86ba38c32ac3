"""What ocr-trainer is told about SVTRv2 before any of it is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ocr_trainer.plugin import ModelPlugin, Task, option
from ocr_trainer.plugin.options import CtcConfig


class Size(Enum):
    """How large the network is, by the authors' names."""

    tiny = "tiny"
    small = "small"
    base = "base"


@dataclass
class SVTRv2Config(CtcConfig):
    """The options of SVTRv2; the defaults are the authors'."""

    size: Size = Size.base
    """tiny, small or base: 5, 11 or 20 million parameters."""
    drop_path: float = option(0.1, at_least=0, below=1)
    """How often the last block is left out of a training step; earlier ones less, in proportion."""

    sgm: bool = True
    """Train the features to know the characters around each character, too; reading is as fast with it."""
    sgm_weight: float = option(1.0, above=0)
    """The weight of that part in the loss, beside 1 for CTC."""
    context: int = option(5, at_least=1, at_most=100)
    """How many characters to the left, and to the right, that part is shown."""


svtrv2 = ModelPlugin(
    api=1,
    summary="SVTRv2: CTC on rearranged features, guided by context in training (Du et al., 2024)",
    config=SVTRv2Config,
    task=Task.recognition,
    factory="ocr_trainer_svtrv2.model:SVTRv2",
)
