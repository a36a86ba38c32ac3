"""Text normalization and named character sets."""

from __future__ import annotations

import os
import subprocess
import sys
import unicodedata
from itertools import chain
from pathlib import Path
from string import ascii_lowercase
from zipfile import ZipFile

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ocr_trainer.text.charsets import named, names
from ocr_trainer.text.normalize import clean, ordered

DATA = Path(os.environ.get("OCR_TRAINER_DATA", Path(__file__).parents[3] / "shared" / "data"))


# Normalization


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("plain  text ", "plain text"),
        ("two\r\nrows\tand\u00a0more\u3000\x1f", "two rows and more"),
        ("cafe\u0301", "café"),
        ("한", "한"),
        ("\ufeffleft \u200fright\u202c\u2066", "left right"),
        (
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        ),
        ("Donau\u00addampf\u00ad ", "Donaudampf-"),
        ("a \u00ad b", "a b"),
        ("e\u200b\u0301", "é"),
        ("ſo ﬁn ½", "ſo ﬁn ½"),  # compatibility characters are kept: they look different
        (" \u200e ", ""),
    ],
)
def test_clean(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"])))
@example("\u00ad\u0301\u00ad\u00ad")
def test_clean_is_idempotent_and_gives_normalized_text(text: str) -> None:
    cleaned = clean(text)
    assert clean(cleaned) == cleaned
    assert unicodedata.is_normalized("NFC", cleaned)
    assert not any(c.isspace() and c != " " for c in cleaned)
    assert "  " not in cleaned
    assert cleaned == cleaned.strip()


plain = st.characters(categories=["Lu", "Ll", "Nd", "Po"]).filter(
    lambda c: unicodedata.is_normalized("NFC", c)
)


@given(st.text(plain))
def test_clean_does_not_change_a_plain_text(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bell\a", "control character U+0007 in the text"),
        ("é\x80", "control character U+0080 in the text"),
        ("\ud800", "half of a surrogate pair U+D800 in the text"),
    ],
)
def test_control_characters_and_surrogates_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match="in the text") as caught:
        clean(text)
    assert str(caught.value) == message


@given(st.lists(st.text(max_size=3)))
def test_ordered(texts: list[str]) -> None:
    characters = ordered(texts)
    assert list(characters) == sorted(set(chain.from_iterable(texts)))


# Named sets


def test_all_sets_are_valid_charsets() -> None:
    assert len(names()) > 80
    for name in names():
        characters = named(name)
        assert characters
        assert " " not in characters
        assert list(characters) == sorted(set(characters))
        assert all(clean(c) == c for c in characters), name


ALL_LETTERS = {
    "bulgarian": ("Ах чудна българска земьо, полюшвай цъфтящи жита", "ѝ"),
    "czech": ("Příliš žluťoučký kůň úpěl ďábelské ódy", ""),
    "esperanto": ("Eĥoŝanĝo ĉiuĵaŭde", ""),
    "estonian": ("Põdur Zagrebi tšellomängija-följetonist Ciqo külmetas kehvas garaažis", ""),
    "french": (
        "Portez ce vieux whisky au juge blond qui fume sur son île intérieure, à côté de l'alcôve ovoïde, où les "
        "bûches se consument dans l'âtre, ce qui lui permet de penser à la cænogenèse de l'être dont il est "
        "question dans la cause ambiguë entendue à Moÿ, dans un capharnaüm qui diminue çà et là son œuvre",
        "",
    ),
    "german": ("Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich", ""),
    "hungarian": ("Árvíztűrő tükörfúrógép", ""),
    "icelandic": ("Kæmi ný öxi hér, ykist þjófum nú bæði víl og ádrepa", ""),
    "latvian": ("Glāžšķūņa rūķīši dzērumā čiepj Baha koncertflīģeļu vākus", ""),
    "lithuanian": ("Įlinkdama fechtuotojo špaga sublykčiojusi pragręžė apvalų arbūzą", ""),
    "polish": ("Pchnąć w tę łódź jeża lub ośm skrzyń fig", ""),
    "portuguese": (
        "Luís argüia à Júlia que «brações, fé, chá, óxido, pôr, zângão» eram palavras do português",
        "ò",
    ),
    "romanian": ("Muzicologă în bej vând whisky și tequila, preț fix", ""),
    "russian": ("Съешь же ещё этих мягких французских булок, да выпей чаю", ""),
    "serbian": ("Љубазни фењерџија чађавог лица хоће да ми покаже штос", ""),
    "slovenian": ("V kožuščku hudobnega fanta stopiclja mizar", ""),
    "turkish": ("Pijamalı hasta yağız şoföre çabucak güvendi", "âîû"),
    "ukrainian": ("Жебракують філософи при ґанку церкви в Гадячі, ще й шатро їхнє п'яне знаємо", "ʼ"),
}
"""A pangram with every letter that is specific to the language, and further letters of the set."""


@pytest.mark.parametrize("language", ALL_LETTERS)
def test_a_set_has_exactly_the_letters_of_its_language(language: str) -> None:
    sentence, beyond = ALL_LETTERS[language]
    letters = {c for c in sentence.lower() if c.isalpha()} - set(ascii_lowercase)
    small = {c for c in named(language) if c == c.lower()} - set(ascii_lowercase)
    assert small == letters | set(beyond)


SOME_LETTERS = {
    "danish": "Quizdeltagerne spiste jordbær med fløde, mens cirkusklovnen Wolther spillede på xylofon",
    "greek": "Ξεσκεπάζω την ψυχοφθόρα σας βδελυγμία",
    "hangul": "키스의고유조건은입술끼리만나야하고특별한기술은필요치않다",
    "hebrew": "דג סקרן שט בים מאוכזב ולפתע מצא לו חברה",
    "hindi": "ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण का सर्वनाश",
    "hiragana": "いろはにほへとちりぬるをわかよたれそつねならむうゐのおくやまけふこえてあさきゆめみしゑひもせす",
    "persian": "«الا یا ایها الساقی ادر کأسا و ناولها» می‌خواهم",
    "spanish": "El pingüino Wenceslao hizo kilómetros bajo exhaustiva lluvia y frío, añoraba a su querido cachorro",
    "swedish": "Flygande bäckasiner söka hwila på mjuka tuvor",
    "thai": "เป็นมนุษย์สุดประเสริฐเลิศคุณค่ากว่าบรรดาฝูงสัตว์เดรัจฉาน",
    "vietnamese": "Do bạch kim rất quý nên sẽ dùng để lắp vô xương",
}


@pytest.mark.parametrize("name", SOME_LETTERS)
def test_a_set_has_the_letters_of_a_sentence(name: str) -> None:
    written = {c for c in clean(SOME_LETTERS[name]) if unicodedata.category(c)[0] in "LM"}
    assert len(written) > 12
    assert not written - set(named(name))


STANDARDS = {
    "hangul": 19 * 21 * 28,
    "hangul_ksx1001": 2350,
    "hanzi": 6763,  # GB 2312
    "hanzi_common": 3755,  # its level 1
    "hanzi_traditional_common": 5401,  # Big5, level 1
    "kanji": 6355 + 1,  # JIS X 0208, and the iteration mark
    "digits": 10,
    "ascii": 94,
    "vietnamese": 2 * (26 + 67),
}


@pytest.mark.parametrize(("name", "count"), STANDARDS.items())
def test_sizes_of_standards(name: str, count: int) -> None:
    assert len(named(name)) == count


@pytest.mark.parametrize("name", ["german", "greek", "russian", "turkish", "vietnamese", "armenian"])
def test_capitals_match_lower_case_letters_by_unicode_name(name: str) -> None:
    of_set = {unicodedata.name(c) for c in named(name)}
    small = {n for n in of_set if " SMALL LETTER" in n}
    capital = {n.replace(" SMALL ", " CAPITAL ") for n in small} & {n for n in of_set if " CAPITAL " in n}
    alone = {"german": 0, "greek": 3, "armenian": 0}.get(name, 0)  # ς, ΐ and ΰ have no capital
    if name == "turkish":
        assert {"LATIN CAPITAL LETTER I WITH DOT ABOVE", "LATIN SMALL LETTER DOTLESS I"} <= of_set
        alone = 1
    assert len(small) - len(capital) == alone


@pytest.mark.skipif(not DATA.exists(), reason="the shared data is missing (set OCR_TRAINER_DATA)")
def test_real_letters_are_in_the_sets() -> None:
    fraktur = clean(" ".join(f.read_text("utf-8") for f in (DATA / "lines_ocrd_fraktur").glob("*.gt.txt")))
    letters = {c for c in fraktur if unicodedata.category(c)[0] in "LM"}
    assert {"ſ", "\u0364"} <= letters
    assert not letters - set(named("fraktur")) - set(named("french")) - set(named("greek"))
    with ZipFile(DATA / "metric_fixtures/cleval/gt_eval_doc_v1_kr.zip") as archive:
        korean = clean(" ".join(archive.read(name).decode("utf-8-sig") for name in archive.namelist()))
    syllables = {c for c in korean if "가" <= c <= "힣"}
    assert len(syllables) > 500
    assert not syllables - set(named("hangul"))


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no set") as caught:
        named("germn")
    message = (
        "there is no set of characters 'germn'. Did you mean 'german'?\n  sets: afrikaans, albanian, arabic,"
    )
    assert str(caught.value).startswith(message)


def test_charsets_import_only_the_standard_library() -> None:
    code = (
        "import sys; before = set(sys.modules)\n"
        "from ocr_trainer.text.charsets import named; named('german')\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before} - {'ocr_trainer', 'ocr_trainer_runtime'}\n"
        "print(sorted(name for name in new if name not in sys.stdlib_module_names))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
