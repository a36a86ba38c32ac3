"""Light. Sections of the configuration that only detection runs have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ocr_trainer.config.schema import RunConfig
from ocr_trainer.plugin import Options, option
from ocr_trainer_runtime.options import Tiles


@dataclass
class AugmentConfig(Options):
    """Augmentation of training images. Scales are relative to the size at which the model is evaluated."""

    crop: int = option(480, at_least=32)
    """Height and width of the training crops, in pixels; a multiple of the model's stride."""
    scale: list[float] = option([0.7, 1.4], above=0)
    """Range of the scale factor, sampled log-uniformly."""
    rotate: float = option(5.0, at_least=0, at_most=180)
    """Maximum rotation to either side, in degrees."""
    flip: float = option(0.0, at_least=0, at_most=1)
    """Probability of a horizontal flip."""
    perspective: float = option(0.0, at_least=0, at_most=0.2)
    """Maximum shift of each corner of the image along each side, as a fraction of the side."""
    text_share: float = option(0.9, at_least=0, at_most=1)
    """Probability that a crop is placed to contain text; otherwise, its position is random."""
    whole_text: bool = False
    """Crop only between texts, and scale the region to the crop size; `scale` has no effect then."""
    color: float = option(0.2, at_least=0, below=1)
    """Maximum change of brightness and contrast, as a fraction."""
    color_cast: float = option(0.0, at_least=0, below=1)
    """Maximum reduction of each of red, green and blue, as a fraction, as in colored light."""
    gray: float = option(0.0, at_least=0, at_most=1)
    """Probability of conversion to grayscale."""
    blur: float = option(0.0, at_least=0, at_most=1)
    """Probability of blurring the crop."""
    blur_sigma: float = option(2.0, above=0, at_most=20)
    """Maximum blur along x and along y: standard deviation of the Gaussian, in pixels."""
    noise: float = option(0.0, at_least=0, at_most=1)
    """Probability of adding noise."""
    noise_sigma: float = option(15.0, above=0, at_most=128)
    """Maximum standard deviation of the noise, in gray levels (of 255)."""
    jpeg: float = option(0.0, at_least=0, at_most=1)
    """Probability of JPEG compression."""
    jpeg_quality: int = option(30, at_least=1, at_most=100)
    """Minimum JPEG quality."""
    steps: dict[str, Any] = field(default_factory=dict)
    """Augmentation plugins, in order; each has its options under its name."""

    def validate(self) -> Iterator[str]:
        """Yield a message for each invalid combination of options."""
        if len(self.scale) != 2 or self.scale[0] > self.scale[1]:
            yield f"scale must be [lowest, highest], not {list(self.scale)}"


@dataclass
class CalibrateConfig(Options):
    """Calibration of thresholds on the validation split after training."""

    enabled: bool = True
    """Choose the decoding thresholds of the best checkpoint on validation data; never uses the test split."""
    images: int = option(200, at_least=1)
    """Maximum number of validation images, evenly spread."""


@dataclass
class TilesConfig(Options):
    """Long pages, cut into overlapping tiles for validation, test and prediction."""

    enabled: bool = Tiles.enabled
    """Cut a long page into tiles, if the model would otherwise see it shrunk to less than its tiles."""
    aspect: float = option(Tiles.aspect, at_least=1, at_most=20)
    """Length of a tile as a multiple of the page's short side. Pages up to a third longer are not cut."""
    overlap: float = option(Tiles.overlap, at_least=0.05, at_most=0.5)
    """Fraction of a tile's length by which neighboring tiles overlap, at least. Longer texts are joined."""


@dataclass
class DetectionConfig(RunConfig):
    """The configuration of a detection run."""

    METRICS = ("icdar", "cleval")
    MONITOR = "hmean"

    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """Augmentation of the training images."""
    tiles: TilesConfig = field(default_factory=TilesConfig)
    """Long pages, cut into overlapping tiles."""
    calibrate: CalibrateConfig = field(default_factory=CalibrateConfig)
    """Calibration of thresholds on the validation split."""
