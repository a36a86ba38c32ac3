"""Find the texts that a model cannot learn from their images, before training starts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ocr_trainer.data.split import name_of, size_of, text_of
from ocr_trainer.data.types import TextImage
from ocr_trainer.errors import DataError
from ocr_trainer.tasks.recognition.charset import Codec
from ocr_trainer.tasks.recognition.config import RecognitionConfig, Unknown
from ocr_trainer.tasks.recognition.recognizer import Recognizer
from ocr_trainer.text import normalize
from ocr_trainer_runtime.text.bidi import to_visual

SHOWN = 3
"""How many texts to list."""
DECODED = 64
"""How many images to decode in splits that do not know the sizes of their images."""
ODD_SHARE = 0.1
"""A note says how many images stand on end if they are more than this share."""
ON_END = 1.5
"""An image of a longer text stands on end if it is this many times as high as it is wide."""


class TextFitter:
    """Encodes texts for a model and tells which of them fit their images.

    Args:
        model: The model.
        run: The configuration of the run.
    """

    def __init__(self, model: Recognizer, run: RecognitionConfig) -> None:
        self.model = model
        replacement = run.charset.replacement if run.charset.unknown is Unknown.replace else None
        self.codec = Codec(model.charset, replacement, model.tokenizer)

    def encode(self, text: str) -> np.ndarray:
        """Return the codes of a text in the order in which the model learns them.

        Raises:
            UnknownCharacter: The charset lacks a character.
            ValueError: The text cannot be used.
        """
        text = normalize.clean(text)
        return self.codec.encode(to_visual(text) if self.model.visual else text)

    def fault(self, codes: np.ndarray, width: int) -> str | None:
        """Return why the model cannot learn codes from an image of a width after resizing, or None."""
        return self.model.fault(len(codes), count_repeats(codes), width)

    def misfit(self, text: str, size: tuple[int, int]) -> Misfit | None:
        """Return why the model cannot learn a text from an image of a height and width, or None."""
        try:
            codes = self.encode(text)
        except ValueError:
            return None  # found and reported by the check of the charset
        reason = self.fault(codes, self.model.size(*size)[1])
        if reason is None:
            return None
        return Misfit(
            reason, stands_on_end(text, size), self.model.remedy(len(codes), count_repeats(codes), *size)
        )


def stands_on_end(text: str, size: tuple[int, int]) -> bool:
    """Return whether an image of a height and width is much higher than a text of several characters is."""
    return len(text) > 1 and size[0] > ON_END * size[1]


def count_repeats(codes: np.ndarray) -> int:
    """Return how many codes equal the one before."""
    return int(np.count_nonzero(codes[1:] == codes[:-1]))


@dataclass(frozen=True)
class Misfit:
    """A text that a model cannot learn from its image."""

    reason: str
    on_end: bool
    """Whether the image is much higher than wide, and the text has more than one character."""
    remedy: tuple[str, int] | None
    """The option of the model that takes the text, and its value."""
    name: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


@dataclass(frozen=True)
class FitReport:
    """How the texts of a split fit their images, as far as they were checked."""

    model: str
    """The name of the model."""
    checked: int
    misfits: list[Misfit]
    on_end: int = 0
    """Images of texts that fit, but stand on end."""

    def too_many(self, max_skipped: float) -> bool:
        """Return whether more texts do not fit than `data.max_skipped` allows."""
        return len(self.misfits) > max_skipped * self.checked

    def refusal(self, max_skipped: float) -> str:
        """Return the message that refuses them."""
        return f"{self}\n  data.max_skipped={max_skipped:g} allows {int(max_skipped * self.checked)}"

    def __str__(self) -> str:
        more = len(self.misfits) - SHOWN
        lines = [
            f"{len(self.misfits)} of {self.checked} checked training texts cannot be learned by "
            f"model={self.model}:",
            *map(str, self.misfits[:SHOWN]),
            *([f"… and {more} more"] if more > 0 else []),
            *remedies(self.misfits),
        ]
        return "\n  ".join(lines)

    @property
    def note(self) -> str | None:
        """What is odd, but may be intended, or None."""
        if self.on_end <= ODD_SHARE * self.checked:
            return None
        return (
            f"{self.on_end} of {self.checked} checked training images stand on end (higher than wide): "
            "if their texts do, too, rotate these images"
        )


class TextFitChecker:
    """Checks each training sample, for `check-data`.

    Args:
        fitter: Of the model.
        model: The name of the model.
        max_skipped: The option `data.max_skipped`.
    """

    def __init__(self, fitter: TextFitter, model: str, max_skipped: float) -> None:
        self.fitter, self.model, self.max_skipped = fitter, model, max_skipped

    def __call__(self, sample: TextImage, name: str) -> Misfit | None:
        """Return why the model cannot learn a text, or None."""
        misfit = self.fitter.misfit(sample.text, (sample.image.shape[0], sample.image.shape[1]))
        return replace(misfit, name=name) if misfit else None

    def problem(self, found: Sequence[Misfit], checked: int) -> str | None:
        """Return why a run would refuse the data, or None."""
        report = FitReport(self.model, checked, list(found))
        return report.refusal(self.max_skipped) if report.too_many(self.max_skipped) else None


def check_split(split: Any, fitter: TextFitter, model: str, limit: int) -> FitReport:
    """Check which texts of a split fit their images.

    Args:
        split: Training texts.
        fitter: Of the model.
        model: The name of the model.
        limit: How many to check, evenly spread. Fewer if the split does not know the sizes of its images.
    """
    if limit and len(split) and size_of(split, 0) is None:
        limit = min(limit, DECODED)
    indices = range(0, len(split), -(-len(split) // limit)) if limit and len(split) else range(0)
    misfits: list[Misfit] = []
    checked = on_end = decoded = 0
    for index in indices:
        text, size = text_of(split, index), size_of(split, index)
        unknown = text is None or size is None
        if unknown and decoded == DECODED:
            continue  # of a part that does not know the sizes of its images
        decoded += unknown
        if text is None or size is None or fitter.misfit(text, size):
            try:
                sample: TextImage = split[index]  # the size of a header, or of an outline, is not exact
            except DataError:
                continue  # found and reported when it is read for training
            text, size = sample.text, (sample.image.shape[0], sample.image.shape[1])
        checked += 1
        if misfit := fitter.misfit(text, size):
            misfits.append(replace(misfit, name=name_of(split, index)))
        else:
            on_end += stands_on_end(text, size)
    return FitReport(model, checked, misfits, on_end)


def remedies(misfits: Sequence[Misfit]) -> Iterator[str]:
    """Yield what to do about texts that do not fit, the most frequent first."""
    if on_end := sum(misfit.on_end for misfit in misfits):
        yield f"{on_end} of their images stand on end (higher than wide): rotate these images"
    counts: Counter[str] = Counter()
    values: dict[str, int] = {}
    hopeless = 0
    for misfit in misfits:
        if misfit.on_end:
            continue
        if misfit.remedy is None:
            hopeless += 1
            continue
        option, value = misfit.remedy
        counts[option] += 1
        values[option] = max(value, values.get(option, 0))
    for option, count in counts.most_common():
        yield f"with model.{option}={values[option]}, the model can learn {count} of them"
    if hopeless:
        yield (
            f"{hopeless} of them are far too long: are they the texts of these images? "
            "Shorten them, cut the images, or leave them out"
        )
