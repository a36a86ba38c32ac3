"""Light. Sections of the configuration that only recognition runs have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar, Self

from ocr_trainer.config.schema import DataConfig, RunConfig
from ocr_trainer.plugin import Options, option


@dataclass
class AugmentConfig(Options):
    """Augmentation of training images of words and lines. Lengths are fractions of the text height."""

    rotate: float = option(2.0, at_least=0, at_most=45)
    """Maximum rotation to either side, in degrees."""
    shear: float = option(0.1, at_least=0, at_most=1)
    """Maximum slant to either side: the sideways shift of the top."""
    perspective: float = option(0.05, at_least=0, at_most=0.2)
    """Maximum shift of each corner to each side."""
    stretch: float = option(1.15, at_least=1, at_most=4)
    """Maximum factor by which a text is widened or narrowed."""
    jitter: float = option(0.05, at_least=0, at_most=0.3)
    """Maximum shift of each border in or out, to simulate detections that are too tight or too loose."""
    color: float = option(0.2, at_least=0, below=1)
    """Maximum change of brightness and contrast, as a fraction."""
    color_cast: float = option(0.0, at_least=0, below=1)
    """Maximum reduction of each of red, green and blue, as a fraction, as in colored light."""
    gray: float = option(0.0, at_least=0, at_most=1)
    """Probability of conversion to grayscale."""
    invert: float = option(0.0, at_least=0, at_most=1)
    """Probability of inverting dark and light."""
    erode: float = option(0.0, at_least=0, at_most=1)
    """Probability of making dark strokes thinner."""
    dilate: float = option(0.0, at_least=0, at_most=1)
    """Probability of making dark strokes thicker."""
    blur: float = option(0.1, at_least=0, at_most=1)
    """Probability of blurring the image."""
    blur_sigma: float = option(0.03, above=0, at_most=0.5)
    """Maximum blur along x and along y: standard deviation of the Gaussian."""
    motion: float = option(0.0, at_least=0, at_most=1)
    """Probability of motion blur along a line."""
    motion_length: float = option(0.2, above=0, at_most=1)
    """Maximum length of that line."""
    noise: float = option(0.1, at_least=0, at_most=1)
    """Probability of adding noise."""
    noise_sigma: float = option(15.0, above=0, at_most=128)
    """Maximum standard deviation of the noise, in gray levels (of 255)."""
    jpeg: float = option(0.1, at_least=0, at_most=1)
    """Probability of JPEG compression."""
    jpeg_quality: int = option(40, at_least=1, at_most=100)
    """Minimum JPEG quality."""
    steps: dict[str, Any] = field(default_factory=dict)
    """Augmentation plugins, in order; each has its options under its name."""


class Unknown(Enum):
    """What to do with a training text with characters that the charset lacks."""

    error = "error"
    skip = "skip"
    replace = "replace"


@dataclass
class CharsetConfig(Options):
    """The characters that a recognizer distinguishes: the union of the sources given here."""

    names: list[str] = field(default_factory=list)
    """Names of predefined charsets, such as digits, latin, german or hangul."""
    file: Path | None = None
    """File of characters, one per line or all on one line."""
    characters: str = ""
    """The characters themselves, in this order; checkpoints store them here."""
    from_data: bool = False
    """Add the characters of the training texts; without any other source, they are always used."""
    unknown: Unknown = Unknown.error
    """What to do with a training text with a character that the charset lacks: error, skip or replace."""
    replacement: str = "\N{REPLACEMENT CHARACTER}"
    """Replacement for unknown characters; it becomes part of the charset."""
    tokenizer: str = ""
    """State of the model's own tokenizer, as JSON; checkpoints store it here. Runs set it from their data."""

    @property
    def given(self) -> bool:
        """Whether any source other than the data is given."""
        return bool(self.names or self.file or self.characters)

    def validate(self) -> Iterator[str]:
        """Yield a message for each invalid combination of options."""
        for name in self.names:
            # Imported late, so that runs without named charsets do not pay for the table.
            from ocr_trainer.text import charsets

            try:
                charsets.named(name)
            except ValueError as error:
                yield str(error)
        if self.file is not None and not self.file.expanduser().is_file():
            yield f"file={self.file} does not exist"
        if len(self.replacement) != 1:
            yield f"replacement must be one character, not {self.replacement!r}"
        if self.tokenizer and not isinstance(_parsed(self.tokenizer), dict):
            yield "tokenizer is not the state of a tokenizer: leave it to the run"


@dataclass
class RecognitionDataConfig(DataConfig):
    """Options of data loading."""

    bucket_batches: int = option(8, at_least=1)
    """Number of batches to sample together and sort by width, to reduce padding."""


@dataclass
class RecognitionConfig(RunConfig):
    """The configuration of a recognition run."""

    IDENTITY: ClassVar[tuple[str, ...]] = (*RunConfig.IDENTITY, "charset", "data.bucket_batches")
    METRICS = ("text",)
    MONITOR = "ned_mean"

    data: RecognitionDataConfig = field(default_factory=RecognitionDataConfig)
    """Options of data loading."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """Augmentation of the training images."""
    charset: CharsetConfig = field(default_factory=CharsetConfig)
    """The characters that a recognizer distinguishes."""

    def context(self) -> dict[str, Any]:
        """Return the fields of `Context` that this configuration fills in: charset and tokenizer."""
        return {"charset": self.charset.characters, "tokenizer": _parsed(self.charset.tokenizer)}

    def obstacle(self, saved: Mapping[str, Any]) -> str | None:
        """Return why a checkpoint cannot be resumed, or `None`: the texts of the data changed."""
        if saved["charset"]["characters"] != self.charset.characters:
            return "has other characters than the data has now: the texts were changed"
        if saved["charset"].get("tokenizer", "") != self.charset.tokenizer:
            return "has another tokenizer than the model makes of the data now: the texts were changed"
        return None

    def resumed(self, saved: Mapping[str, Any]) -> Self:
        """Return the configuration for resuming, with the characters that the initial weights knew."""
        run = super().resumed(saved)
        started = self.init_from.path is not None or run.model != self.model
        if not started or not (run.charset.from_data or not run.charset.given):
            return run
        # They are not known any more, but the saved charset has them.
        known = saved["charset"]["characters"]
        return replace(run, charset=replace(run.charset, characters=known, from_data=True))

    @classmethod
    def upgrade(cls, saved: dict[str, Any]) -> None:
        """Convert a version 0.1 configuration, whose `augment` was for detection, in place."""
        if "text_augment" not in saved:
            return
        saved["augment"] = augment = dict(saved.pop("text_augment"))
        layers, magnitude = augment.pop("rand_layers", 0), augment.pop("rand_magnitude", 5.0)
        if layers:
            options = {"rand_augment_layers": layers, "rand_augment_magnitude": magnitude}
            saved["model"] = {**saved["model"], **options}


def _parsed(state: str) -> Any:
    """Return the state of a tokenizer from its JSON, or `None` if it has none or is malformed."""
    import json  # most runs need none

    try:
        return json.loads(state) if state else None
    except ValueError:
        return None
