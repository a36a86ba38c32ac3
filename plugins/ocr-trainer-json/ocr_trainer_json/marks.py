"""Rules for "don't care" in formats without a flag for it."""

from __future__ import annotations

from ocr_trainer.formats.annotations import NO_TRANSCRIPTION, mark_reason
from ocr_trainer.plugin.options import UntranscribedConfig
from ocr_trainer_json.plugin import Marks


def dont_care(text: str, marks: Marks) -> str:
    """Return why text with this transcription is neither learned nor scored; empty if it counts."""
    if text in marks.dont_care and text:
        return mark_reason(text)
    return untranscribed(text, marks)


def untranscribed(text: str, config: UntranscribedConfig) -> str:
    """Return why text with this transcription does not count: it has none; empty if it counts."""
    # Null is decided when the whole dataset is known: see `ocr_trainer.formats.untranscribed`.
    return NO_TRANSCRIPTION if not text and config.ignore_untranscribed is not False else ""
