"""Light. The sections of the configuration that recognition runs have beside those of every run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar

from ocr_trainer.config.schema import DataConfig, RunConfig
from ocr_trainer.plugin import Options, option


@dataclass
class AugmentConfig(Options):
    """How the training images of words and lines are varied. Lengths are shares of the text's height."""

    rotate: float = option(2.0, at_least=0, at_most=45)
    """The greatest rotation to either side, in degrees."""
    shear: float = option(0.1, at_least=0, at_most=1)
    """The greatest slant to either side: how far the top moves sideways."""
    perspective: float = option(0.05, at_least=0, at_most=0.2)
    """How far each corner may move to each side."""
    stretch: float = option(1.15, at_least=1, at_most=4)
    """The greatest factor by which a text is widened or narrowed."""
    jitter: float = option(0.05, at_least=0, at_most=0.3)
    """How far each border may move in or out, as where a detector cuts too tightly or too widely."""
    color: float = option(0.2, at_least=0, below=1)
    """The greatest change of brightness and contrast, as a share."""
    color_cast: float = option(0.0, at_least=0, below=1)
    """The greatest loss of each of red, green and blue, as a share, as in coloured light."""
    gray: float = option(0.0, at_least=0, at_most=1)
    """How often the colors are taken away."""
    invert: float = option(0.0, at_least=0, at_most=1)
    """How often dark and light change places."""
    erode: float = option(0.0, at_least=0, at_most=1)
    """How often what is dark is made thinner."""
    dilate: float = option(0.0, at_least=0, at_most=1)
    """How often what is dark is made thicker."""
    blur: float = option(0.1, at_least=0, at_most=1)
    """How often the image is blurred."""
    blur_sigma: float = option(0.03, above=0, at_most=0.5)
    """The strongest blur along x and along y: a Gaussian's standard deviation."""
    motion: float = option(0.0, at_least=0, at_most=1)
    """How often the image is blurred along a line, as if camera or text had moved."""
    motion_length: float = option(0.2, above=0, at_most=1)
    """How long the line is at most."""
    noise: float = option(0.1, at_least=0, at_most=1)
    """How often noise is added."""
    noise_sigma: float = option(15.0, above=0, at_most=128)
    """The strongest noise: its standard deviation, of 255 gray levels."""
    jpeg: float = option(0.1, at_least=0, at_most=1)
    """How often the image is compressed as JPEG."""
    jpeg_quality: int = option(40, at_least=1, at_most=100)
    """The lowest quality of the compression."""
    rand_layers: int = option(0, at_least=0, at_most=16)
    """How many different operations of RandAugment are drawn; each is carried out half of the time."""
    rand_magnitude: float = option(5.0, at_least=0, at_most=10)
    """How strong they are."""


class Unknown(Enum):
    """What becomes of a training text with characters that the charset lacks."""

    error = "error"
    skip = "skip"
    replace = "replace"


@dataclass
class CharsetConfig(Options):
    """The characters that a recognizer tells apart: those of all sources given here together."""

    names: list[str] = field(default_factory=list)
    """Sets by name, such as digits, latin, german or hangul."""
    file: Path | None = None
    """A file of characters, one a row or all in one."""
    characters: str = ""
    """The characters themselves, in this order; a checkpoint keeps them here."""
    from_data: bool = False
    """Add the characters of the training texts; they are taken where nothing else is given."""
    unknown: Unknown = Unknown.error
    """What becomes of a training text with a character that it lacks: error, skip or replace."""
    replacement: str = "\N{REPLACEMENT CHARACTER}"
    """What replaces an unknown character; it becomes one of the charset."""

    @property
    def given(self) -> bool:
        """Whether any source but the data is given."""
        return bool(self.names or self.file or self.characters)

    def validate(self) -> Iterator[str]:
        """Yield what is wrong with the options taken together."""
        for name in self.names:
            # On use: the table of sets costs nothing to runs that name none.
            from ocr_trainer.text import charsets

            try:
                charsets.named(name)
            except ValueError as error:
                yield str(error)
        if self.file is not None and not self.file.expanduser().is_file():
            yield f"file={self.file}: there is no such file"
        if len(self.replacement) != 1:
            yield f"replacement must be one character, not {self.replacement!r}"


@dataclass
class RecognitionDataConfig(DataConfig):
    """How samples reach the model."""

    bucket_batches: int = option(8, at_least=1)
    """Batches that are drawn together and sorted by width, so that little of a batch is padding."""


@dataclass
class RecognitionConfig(RunConfig):
    """The configuration of a recognition run."""

    IDENTITY: ClassVar[tuple[str, ...]] = (*RunConfig.IDENTITY, "charset", "data.bucket_batches")

    data: RecognitionDataConfig = field(default_factory=RecognitionDataConfig)
    """How samples reach the model."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """Augmentation of the training images."""
    charset: CharsetConfig = field(default_factory=CharsetConfig)
    """The characters that a recognizer tells apart."""

    def context(self) -> dict[str, Any]:
        """Return what factories learn of this configuration: the charset."""
        return {"charset": self.charset.characters}

    def obstacle(self, saved: Mapping[str, Any]) -> str | None:
        """Return why a checkpoint cannot be resumed: the training texts have other characters now."""
        if saved["charset"]["characters"] == self.charset.characters:
            return None
        return "knows other characters than the data has now: the texts were changed"

    @classmethod
    def upgrade(cls, saved: dict[str, Any]) -> None:
        """Bring a configuration of version 0.1 into today's form: its `augment` was for detection."""
        saved["augment"] = augment = dict(saved.pop("text_augment"))
        layers, magnitude = augment.pop("rand_layers", 0), augment.pop("rand_magnitude", 5.0)
        if layers:
            options = {"rand_augment_layers": layers, "rand_augment_magnitude": magnitude}
            saved["model"] = {**saved["model"], **options}


RUN_CONFIG = RecognitionConfig
"""What `ocr_trainer.config.tasks` looks for in the module of a task."""
