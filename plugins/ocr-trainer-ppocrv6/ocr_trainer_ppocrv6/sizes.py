"""The sizes of the networks, by the names of the published weights."""

from __future__ import annotations

from dataclasses import dataclass

from ocr_trainer_ppocrv6.backbone import Stage
from ocr_trainer_ppocrv6.plugin import Size


@dataclass(frozen=True)
class DetectorSize:
    """The size of a detector."""

    stem: int
    """Channels within the stem."""
    stages: tuple[Stage, ...]
    neck: int
    """Channels of the feature pyramid."""
    kernel: int
    """Size of the depthwise kernels in the feature pyramid."""


@dataclass(frozen=True)
class RecognizerSize:
    """The size of a recognizer."""

    stem: int
    """Channels within the stem."""
    stages: tuple[Stage, ...]
    channels: int
    """Channels of the sequence."""
    depth: int
    """Number of attention blocks."""
    heads: int


DOWN, LOWER = (2, 2), (2, 1)
"""Strides that halve both sides, or only the height."""

DETECTORS = {
    Size.small: DetectorSize(
        stem=24,
        stages=(Stage(48, 2), Stage(96, 2, DOWN), Stage(192, 4, DOWN), Stage(384, 2, DOWN)),
        neck=96,
        kernel=7,
    )
}
RECOGNIZERS = {
    Size.small: RecognizerSize(
        stem=48,
        stages=(Stage(96, 2), Stage(96, 0, (1, 1)), Stage(192, 6, LOWER), Stage(384, 2, LOWER)),
        channels=120,
        depth=2,
        heads=8,
    )
}
