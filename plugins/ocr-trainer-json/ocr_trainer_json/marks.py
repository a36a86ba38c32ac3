"""What is "don't care" where the format has no flag for it."""

from __future__ import annotations

from ocr_trainer_json.plugin import Marks


def is_dont_care(text: str, marks: Marks) -> bool:
    """Tell whether a transcription means that its text is neither learned nor scored."""
    return text in marks.dont_care if text else marks.ignore_untranscribed
