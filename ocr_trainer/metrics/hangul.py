"""Hangul: syllables as the letters (jamo) they are composed of."""

from __future__ import annotations

import re
from functools import cache

INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
FINALS = ("", *"ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ")

HANGUL = re.compile("[가-힣ㄱ-ㅣ]")


def has_hangul(text: str) -> bool:
    """Tell whether there is a syllable or a letter of Hangul in a text in normal form C."""
    return not text.isascii() and HANGUL.search(text) is not None


def to_jamo(text: str) -> str:
    """Return a text with each syllable as its two or three letters; the rest stays as it is.

    Letters are those of Unicode's compatibility jamo, the ones that are typed alone: ㄱ is the same at
    the beginning and at the end of a syllable. A double vowel or final, such as ㅘ or ㄺ, is one letter.
    """
    return text.translate(_letters())


@cache
def _letters() -> dict[int, str]:
    """Return the letters of each of the 11172 syllables, which Unicode has in the order of their letters."""
    spelt = (initial + vowel + final for initial in INITIALS for vowel in VOWELS for final in FINALS)
    return dict(enumerate(spelt, start=ord("가")))
