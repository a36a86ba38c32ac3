"""Descriptions of PP-OCRv6's detector and recognizer. Importing them does not import torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Self

from ocr_trainer.plugin import Config, ModelPlugin, Pretrained, Task, option
from ocr_trainer.plugin.options import CtcConfig, DBConfig, Side

WHEEL = "rapidocr"
"""The value of `weights` that stands for the weights in the installed wheel of this name."""
ROW_STRIDE = 16
"""Image rows per row of the features of the recognizer."""


class Size(Enum):
    """Size of a network, by the names of the published weights."""

    small = "small"


@dataclass
class PublishedConfig(Config):
    """A model whose weights are published."""

    weights: str | None = None
    """Initial weights: `rapidocr` for those in the installed wheel of that name, or a file FILE.onnx; by
    default, random."""

    def without_init_weights(self) -> Self:
        """Return the options without the initial weights, for loading a checkpoint."""
        return replace(self, weights=None)

    def validate(self) -> Iterator[str]:
        """Yield a message if `weights` is neither `rapidocr` nor an existing file."""
        yield from super().validate()
        if self.weights not in (None, WHEEL) and not Path(str(self.weights)).is_file():
            yield f"weights={self.weights} is neither `{WHEEL}` nor a file that exists"


@dataclass
class PPOCRv6DetConfig(PublishedConfig, DBConfig):
    """The options of PP-OCRv6's detector; the defaults are those of the published weights."""

    network: Size = Size.small
    """Size of the network."""

    side: Side = Side.at_least
    """The side that is resized to `size`: short, long, width, or none to keep images as they are; at_least:
    the short side, if it is shorter."""
    max_side: int = option(2000, at_least=32)
    """Longest side after resizing, in pixels; it overrides `side` and `size`."""
    box_threshold: float = option(0.5, at_least=0, at_most=1)
    """Regions with a lower mean probability are dropped."""
    unclip_ratio: float | None = option(1.6, above=0)
    """The ratio of `unclip=ratio`."""

    gamma: float = option(2.5, at_least=0)
    """Exponent of the focal loss. The higher it is, the less the pixels count that are already right."""
    probability_weight: float = option(5, at_least=0)
    """Loss weight of the probability map's dice and focal loss."""
    binary_weight: float = option(1, at_least=0)
    """Loss weight of the binary map's dice loss."""
    threshold_weight: float = option(10, at_least=0)
    """Loss weight of the threshold map's L1 distance."""


@dataclass
class PPOCRv6RecConfig(PublishedConfig, CtcConfig):
    """The options of PP-OCRv6's recognizer; the defaults are those of the published weights."""

    size: Size = Size.small
    """Size of the network."""
    height: int = option(48, at_least=16, at_most=512)
    """Height that texts are scaled to, in pixels; a multiple of 16."""
    canvas: int = option(320, at_least=8)
    """Narrower images get a gray margin on the right, up to this width in pixels."""

    def validate(self) -> Iterator[str]:
        """Yield one message per combination of options that is not allowed."""
        yield from super().validate()
        if self.height % ROW_STRIDE:
            yield f"height={self.height} must be a multiple of {ROW_STRIDE}"


PRETRAINED = Pretrained("ppocrv6", (f"model.weights={WHEEL}",))

ppocrv6_det = ModelPlugin(
    api=1,
    summary="PP-OCRv6's detector: PP-LCNetV4, a feature pyramid with large kernels and DB; published weights",
    config=PPOCRv6DetConfig,
    task=Task.detection,
    pretrained=PRETRAINED,
    factory="ocr_trainer_ppocrv6.detector:PPOCRv6Detector",
)

ppocrv6_rec = ModelPlugin(
    api=1,
    summary="PP-OCRv6's recognizer: PP-LCNetV4, attention and CTC; published weights for 50 languages",
    config=PPOCRv6RecConfig,
    task=Task.recognition,
    charset="ocr_trainer_ppocrv6.recognizer:initial_charset",
    pretrained=PRETRAINED,
    factory="ocr_trainer_ppocrv6.recognizer:PPOCRv6Recognizer",
)
