"""Named character sets for alphabets, scripts and symbols: `names` lists them, `named` returns one.

The set of a language has its letters in lower and upper case, and marks that are part of letters. It has
no digits, punctuation, Hebrew or Arabic vowel points, or space. Sets of languages in Latin script have all
of a to z, as names and loan words use them. The sets cover the main exemplar characters of Unicode CLDR,
except for the vowel marks of Arabic and Persian, which are in `arabic_marks`, and the stress mark on the
Dutch j, and some of its auxiliary characters.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from functools import cache, partial
from string import ascii_letters, ascii_lowercase, digits, punctuation

from ocr_trainer.errors import did_you_mean
from ocr_trainer.text.normalize import clean, ordered

LATIN = {
    "afrikaans": "áâèéêëîïôöûü",
    "albanian": "çë",
    "azerbaijani": "çəğıöşüİ",
    "basque": "çñ",
    "bosnian": "ćčđšž",
    "catalan": "àçèéíïòóúü·",
    "croatian": "ćčđšž",
    "czech": "áčďéěíňóřšťúůýž",
    "danish": "æøåáéíóú",
    "dutch": "áäèéêëíïóöúü",
    "english": "",
    "esperanto": "ĉĝĥĵŝŭ",
    "estonian": "äõöüšž",
    "finnish": "åäöšž",
    "french": "àâæçèéêëîïôùûüÿœ",
    "galician": "áéíïñóúü",
    "german": "äöüß",
    "hungarian": "áéíóöőúüű",
    "icelandic": "áðéíóúýþæö",
    "indonesian": "",
    "irish": "áéíóú",
    "italian": "àèéìíîòóùú",
    "latvian": "āčēģīķļņšūž",
    "lithuanian": "ąčėęįšūųž",
    "maltese": "àċèġħìòùż",
    "norwegian": "æøåàéêóòôü",
    "polish": "ąćęłńóśźż",
    "portuguese": "àáâãçéêíóòôõúü",
    "romanian": "ăâîșț",
    "slovak": "áäčďéíĺľňóôŕšťúýž",
    "slovenian": "čšž",
    "spanish": "áéíñóúü",
    "swedish": "åäöàéü",
    "turkish": "âçğıîöşûüİ",
    "welsh": "âêîôûŵŷàáäèéëìíïòóöùúüẁẃẅỳýÿ",
}
"""Lower-case letters of a language besides a to z, and capitals that `str.upper` does not produce."""

VIETNAMESE_VOWELS = "aăâeêioôơuưy"
VIETNAMESE_TONES = "\u0300\u0301\u0303\u0309\u0323"

CYRILLIC = {
    "belarusian": "абвгдеёжзійклмнопрстуўфхцчшыьэюя",
    "bulgarian": "абвгдежзийклмнопрстуфхцчшщъьюяѝ",
    "kazakh": "аәбвгғдеёжзийкқлмнңоөпрстуұүфхһцчшщъыіьэюя",
    "macedonian": "абвгдѓежзѕијклљмнњопрстќуфхцчџшѐѝ",
    "mongolian": "абвгдеёжзийклмноөпрстуүфхцчшщъыьэюя",
    "russian": "абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
    "serbian": "абвгдђежзијклљмнњопрстћуфхцчџш",
    "ukrainian": "абвгґдеєжзиіїйклмнопрстуфхцчшщьюяʼ",
}
"""Lower-case letters of a language."""

ARABIC = "ءآأؤإئابةتثجحخدذرزسشصضطظعغفقكلمنهوىي"

LITERAL = {
    "digits": digits,
    "punctuation": punctuation,
    "latin": ascii_letters,
    "typography": "–—‐‑…•·†‡§¶‘’‚“”„‹›«»¡¿°ªº©®™×÷±µ½¼¾¹²³",
    "currency": "$¢£¥฿₦₩₪₫€₱₴₸₹₺₽",
    "greek": "αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐΰΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩΆΈΉΊΌΎΏΪΫ",
    "arabic": ARABIC,
    "arabic_marks": "ـ\u064b\u064c\u064d\u064e\u064f\u0650\u0651\u0652\u0653\u0654\u0655\u0670",
    "arabic_punctuation": "،؛؟٪٫٬٭",
    "persian": "ءآأؤئابپتثجچحخدذرزژسشصضطظعغفقکگلمنهوةیۀ\u200c",
    "urdu": "ءآأؤئابپتٹثجچحخدڈذرڑزژسشصضطظعغفقکگلمنںوہۂۃھةیے\u200c",
    "cjk_punctuation": "、。〃〈〉《》「」『』【】〔〕〜・！（），－．／：；？［］～",
    "fraktur_extras": "ſꝛ⸗\u0364",
}


def _span(*spans: str) -> str:
    """Return the characters of inclusive ranges, without unassigned ones and those that `clean` changes.

    Args:
        spans: Two characters each, the first and the last of a range.
    """
    characters = (chr(code) for span in spans for code in range(ord(span[0]), ord(span[1]) + 1))
    return "".join(c for c in characters if unicodedata.category(c) != "Cn" and clean(c) == c)


def _both_cases(small: str) -> str:
    """Return letters and their capitals, as far as these are single characters; for ß, add ẞ."""
    capitals = (letter.upper() if letter != "ß" else "ẞ" for letter in small)
    return ordered([small, *(capital for capital in capitals if len(capital) == 1)])


def _vietnamese() -> str:
    toned = (unicodedata.normalize("NFC", v + tone) for v in VIETNAMESE_VOWELS for tone in VIETNAMESE_TONES)
    return _both_cases(ascii_lowercase + "đ" + VIETNAMESE_VOWELS + "".join(toned))


def _encoded(codec: str, first: str, last: str, rows: tuple[int, int] = (0xA1, 0xFE)) -> str:
    """Return the characters of a range that a national standard contains in the given rows of its table.

    Args:
        codec: Python's codec for the standard, such as `euc_kr`.
        first: First character of the range.
        last: Last character of the range.
        rows: First and last lead byte; levels of a standard are ranges of rows.
    """
    found = []
    for character in _span(first + last):
        code = character.encode(codec, errors="ignore")
        if len(code) == 2 and rows[0] <= code[0] <= rows[1]:
            found.append(character)
    return "".join(found)


SETS: dict[str, Callable[[], str]] = {
    **{name: partial(str, characters) for name, characters in LITERAL.items()},
    **{name: partial(_both_cases, ascii_lowercase + more) for name, more in LATIN.items()},
    **{name: partial(_both_cases, letters) for name, letters in CYRILLIC.items()},
    "ascii": lambda: _span("!~"),
    "vietnamese": _vietnamese,
    "fraktur": lambda: _both_cases(ascii_lowercase + LATIN["german"]) + LITERAL["fraktur_extras"],
    "hebrew": lambda: _span("את"),
    "hebrew_points": lambda: _span("\u05b0\u05bd", "\u05bf\u05bf", "\u05c1\u05c2", "\u05c7\u05c7"),
    "arabic_digits": lambda: _span("٠٩"),
    "persian_digits": lambda: _span("۰۹"),
    "hindi": lambda: _span("\u0901\u0903", "अऔ", "कह", "\u093c\u094d", "ॐॐ") + "\u200c\u200d",
    "devanagari_digits": lambda: _span("०९"),
    "devanagari_punctuation": lambda: "।॥॰",
    "bengali": lambda: _span("\u0981\u09e3", "ৰৱ", "৺৺", "\u09fc\u09fe"),
    "bengali_digits": lambda: _span("০৯"),
    "tamil": lambda: _span("\u0b82\u0bd7"),
    "thai": lambda: _span("ก\u0e3a", "เ\u0e4e"),
    "thai_digits": lambda: _span("๐๙"),
    "georgian": lambda: _span("აჰ"),
    "armenian": lambda: _both_cases(_span("աֆ")) + "և",
    "hangul": lambda: _span("가힣"),
    "hangul_ksx1001": lambda: _encoded("euc_kr", "가", "힣"),
    "hangul_jamo": lambda: _span("ㄱㅣ"),
    "hiragana": lambda: _span("ぁゖ", "ゝゞ"),
    "katakana": lambda: _span("ァヺ", "ーヾ"),
    "kanji": lambda: "々" + _encoded("euc_jp", "一", "鿿", (0xB0, 0xF4)),
    "hanzi": lambda: _encoded("gb2312", "一", "鿿"),
    "hanzi_common": lambda: _encoded("gb2312", "一", "鿿", (0xB0, 0xD7)),
    "hanzi_traditional": lambda: _encoded("big5", "一", "鿿", (0xA4, 0xF9)),
    "hanzi_traditional_common": lambda: _encoded("big5", "一", "鿿", (0xA4, 0xC6)),
}


def names() -> list[str]:
    """Return the names of all character sets, sorted."""
    return sorted(SETS)


@cache
def named(name: str) -> str:
    """Return the characters of a named set, sorted by code point. No set contains the space.

    Raises:
        ValueError: There is no set of this name; the message lists the names.
    """
    if name not in SETS:
        meant = did_you_mean(name, SETS)
        raise ValueError(f"there is no set of characters '{name}'.{meant}\n  sets: {', '.join(names())}")
    return ordered(SETS[name]())
