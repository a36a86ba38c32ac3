"""Light. The sections of the configuration that detection runs have beside those of every run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ocr_trainer.config.schema import RunConfig
from ocr_trainer.plugin import Options, option


@dataclass
class AugmentConfig(Options):
    """How training images are varied. Scales are relative to the size at which the model is scored."""

    crop: int = option(480, at_least=32)
    """Height and width of what the network sees in training, in pixels; a multiple of the model's stride."""
    scale: list[float] = option([0.7, 1.4], above=0)
    """The range of the resizing factor, drawn uniformly on a log scale."""
    rotate: float = option(5.0, at_least=0, at_most=180)
    """The greatest rotation to either side, in degrees."""
    flip: float = option(0.0, at_least=0, at_most=1)
    """How often an image is mirrored left to right."""
    perspective: float = option(0.0, at_least=0, at_most=0.2)
    """How far each corner of the image may move along each side, as a share of the side."""
    text_share: float = option(0.9, at_least=0, at_most=1)
    """How often the crop is laid so that it holds text; elsewhere it may fall anywhere."""
    whole_text: bool = False
    """Cut between texts only, and scale what is cut out to the size of the crop; `scale` is then not used."""
    color: float = option(0.2, at_least=0, below=1)
    """The greatest change of brightness and contrast, as a share."""
    color_cast: float = option(0.0, at_least=0, below=1)
    """The greatest loss of each of red, green and blue, as a share, as in coloured light."""
    gray: float = option(0.0, at_least=0, at_most=1)
    """How often the colors are taken away."""
    blur: float = option(0.0, at_least=0, at_most=1)
    """How often the crop is blurred."""
    blur_sigma: float = option(2.0, above=0, at_most=20)
    """The strongest blur along x and along y: a Gaussian's standard deviation, in pixels."""
    noise: float = option(0.0, at_least=0, at_most=1)
    """How often noise is added."""
    noise_sigma: float = option(15.0, above=0, at_most=128)
    """The strongest noise: its standard deviation, of 255 gray levels."""
    jpeg: float = option(0.0, at_least=0, at_most=1)
    """How often the crop is compressed as JPEG."""
    jpeg_quality: int = option(30, at_least=1, at_most=100)
    """The lowest quality of the compression."""

    def validate(self) -> Iterator[str]:
        """Yield what is wrong with the options taken together."""
        if len(self.scale) != 2 or self.scale[0] > self.scale[1]:
            yield f"scale must be [lowest, highest], not {list(self.scale)}"


@dataclass
class CalibrateConfig(Options):
    """Choosing thresholds on the validation split once the training is over."""

    enabled: bool = True
    """Let validation data choose how the best checkpoint decodes; the test split is never looked at."""
    images: int = option(200, at_least=1)
    """At most so many validation images, evenly spread."""


@dataclass
class DetectionConfig(RunConfig):
    """The configuration of a detection run."""

    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """Augmentation of the training images."""
    calibrate: CalibrateConfig = field(default_factory=CalibrateConfig)
    """Choosing thresholds on the validation split."""


RUN_CONFIG = DetectionConfig
"""What `ocr_trainer.config.tasks` looks for in the module of a task."""
