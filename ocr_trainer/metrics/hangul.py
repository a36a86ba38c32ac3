"""Decompose Hangul syllables into letters (jamo)."""

from __future__ import annotations

import re
from functools import cache

INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
FINALS = ("", *"ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ")

HANGUL = re.compile("[가-힣ㄱ-ㅣ]")


def has_hangul(text: str) -> bool:
    """Return whether an NFC text contains a Hangul syllable or letter."""
    return not text.isascii() and HANGUL.search(text) is not None


def to_jamo(text: str) -> str:
    """Replace each Hangul syllable by its two or three letters; keep everything else.

    Uses Unicode's compatibility jamo, the letters that are typed alone: ㄱ is the same at the beginning and
    the end of a syllable. A double vowel or final, such as ㅘ or ㄺ, is one letter.
    """
    return text.translate(_letters())


@cache
def _letters() -> dict[int, str]:
    """Map each of the 11172 syllables to its letters; Unicode orders syllables by their letters."""
    decompositions = (initial + vowel + final for initial in INITIALS for vowel in VOWELS for final in FINALS)
    return dict(enumerate(decompositions, start=ord("가")))
