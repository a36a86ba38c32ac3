"""Rules for "don't care" in formats without a flag for it."""

from __future__ import annotations

from ocr_trainer_json.plugin import Marks


def is_dont_care(text: str, marks: Marks) -> bool:
    """Return whether a transcription marks text that is neither learned nor scored."""
    return text in marks.dont_care if text else marks.ignore_untranscribed
