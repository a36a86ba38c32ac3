"""Description of SVTRv2; importing it loads neither the network nor torch."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ocr_trainer.plugin import ModelPlugin, PublishedWeights, Task, option
from ocr_trainer.plugin.options import CtcConfig


class Size(Enum):
    """Size of the network, with the authors' names."""

    tiny = "tiny"
    small = "small"
    base = "base"


@dataclass
class SVTRv2Config(CtcConfig):
    """The options of SVTRv2; the defaults are the authors'."""

    size: Size = Size.base
    """tiny, small or base: 5, 11 or 20 million parameters."""
    drop_path: float = option(0.1, at_least=0, below=1)
    """Probability of dropping the last block in training (stochastic depth); lower for earlier blocks."""

    row_pre_norm: bool = False
    """Normalize before the parts of the attention within rows, not after them: as in the authors' weights."""

    sgm: bool = True
    """Train with the semantic guidance module, so that features learn context; inference is as fast."""
    sgm_weight: float = option(1.0, above=0)
    """Loss weight of the semantic guidance module; CTC has 1."""
    context: int = option(5, at_least=1, at_most=100)
    """Characters of context on each side in the semantic guidance module."""


svtrv2 = ModelPlugin(
    api=1,
    summary="SVTRv2: CTC on rearranged features, guided by context in training (Du et al., 2024)",
    config=SVTRv2Config,
    task=Task.recognition,
    factory="ocr_trainer_svtrv2.model:SVTRv2",
    architecture=("size", "sgm", "context", "row_pre_norm"),
    published=(
        PublishedWeights(
            name="OpenOCR SVTRv2",
            source="https://github.com/Topdu/OpenOCR/tree/main/configs/rec/svtrv2",
            file="best.pth",
            license="Apache-2.0",
            data="trained on Union14M-L, a collection of datasets with licenses of their own, some of them "
            "for research only",
            layout="ocr_trainer_svtrv2.published:convert",
        ),
    ),
)
