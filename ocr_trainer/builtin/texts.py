"""Which texts a synthetic dataset for recognition has: of a list, of a pattern, of characters, or made up.

Each word belongs to training, validation or test, and always to the same; a digest of it says which.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from hashlib import blake2b
from pathlib import Path

import numpy as np

from ocr_trainer import charsets
from ocr_trainer.builtin import pattern, wording
from ocr_trainer.builtin.fonts import Fonts, can_shape, needs_shaping
from ocr_trainer.builtin.plugin import SyntheticTextConfig
from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import read_rows
from ocr_trainer.plugin import Ledger

TRIES = 2000
"""Words that are made up for one that serves."""
SHOWN = 20
"""Characters that a message names."""
FONTS = (
    "  fonts: give files or folders of fonts that have them, or set system_fonts=true for this machine's;\n"
    "  Debian has fonts-nanum for Korean, fonts-noto-cjk for Chinese and Japanese, fonts-noto-core for others"
)


class Source(ABC):
    """Where words come from."""

    characters: str
    """All that the words are made of, by code point, without the space."""

    @abstractmethod
    def word(self, rng: np.random.Generator) -> str:
        """Return a word by chance."""


class MadeUp(Source):
    """The words that the pages have."""

    characters = wording.CHARACTERS

    def word(self, rng: np.random.Generator) -> str:
        """Return a word by chance."""
        return wording.word(rng)


class Listed(Source):
    """The words of a file; one that cannot be used goes into the ledger.

    Raises:
        DataError: If the file cannot be read, or no word of it can be used.
    """

    def __init__(self, path: Path, fonts: Fonts, ledger: Ledger) -> None:
        words: dict[str, None] = {}
        for line, row in read_rows(path, ledger):
            ledger.read(labels=1)
            try:
                words[usable(charsets.clean(row), fonts)] = None
            except ValueError as fault:
                ledger.skip_label(path, line, str(fault))
        if not words:
            reasons = [skipped for skipped in ledger.skipped if skipped.file == str(path)]
            because = f"; {reasons[0]}\n{FONTS}" if reasons else ", one a row is wanted"
            raise DataError(f"the list '{path}' has no words that can be used{because}")
        self.words = list(words)
        self.characters = charsets.ordered(self.words).replace(" ", "")

    def word(self, rng: np.random.Generator) -> str:
        """Return a word by chance; all have the same."""
        return self.words[rng.integers(len(self.words))]


class Patterned(Source):
    """Words that match a pattern.

    Raises:
        ValueError: If it is none.
    """

    def __init__(self, text: str) -> None:
        self.node = pattern.parse(text)
        self.characters = _cleaned(self.node.characters)

    def word(self, rng: np.random.Generator) -> str:
        """Return a word by chance."""
        return self.node.write(rng)


class Random(Source):
    """Words of characters that are drawn one by one."""

    def __init__(self, config: SyntheticTextConfig) -> None:
        found = {*config.characters}.union(*map(charsets.named, config.charsets))
        if config.characters_file is not None:
            found |= {*charsets.read_file(config.characters_file.expanduser())}
        self.characters = _cleaned(found)
        self.low, self.high = config.min_length, config.max_length

    def word(self, rng: np.random.Generator) -> str:
        """Return a word by chance; all lengths and all characters have the same."""
        places = rng.integers(len(self.characters), size=rng.integers(self.low, self.high + 1))
        return "".join([self.characters[place] for place in places.tolist()])


def _cleaned(characters: set[str]) -> str:
    return charsets.ordered(charsets.clean(character) for character in characters).replace(" ", "")


def source_of(config: SyntheticTextConfig, fonts: Fonts, ledger: Ledger) -> Source:
    """Return where the words of a dataset come from.

    Raises:
        DataError: If it has no words, or no font has a character of theirs.
    """
    if config.words is not None:
        return Listed(config.words.expanduser(), fonts, ledger)
    source: Source = MadeUp()
    if config.pattern is not None:
        source = Patterned(config.pattern)
    elif config.characters or config.charsets or config.characters_file is not None:
        source = Random(config)
    if lacking := fonts.lacking(source.characters):
        shown = " ".join(lacking[:SHOWN]) + (" …" if len(lacking) > SHOWN else "")
        raise DataError(f"no font has {len(lacking)} of the characters that are wanted: {shown}\n{FONTS}")
    return source


def usable(text: str, fonts: Fonts) -> str:
    """Return a text that can be drawn.

    Raises:
        ValueError: If it is empty, no font has all of its characters, or it needs a library that is missing.
    """
    if not text:
        raise ValueError("the text is empty")
    if needs_shaping(text) and not can_shape():
        raise ValueError(
            f"{text!r} has letters that are to be joined or reordered, which this Pillow cannot do: "
            "it lacks Raqm or FriBiDi (Debian: install libfribidi0)"
        )
    if not fonts.having(text):
        lacking = fonts.lacking(dict.fromkeys(text))
        raise ValueError(f"no font has {' '.join(lacking)}" if lacking else f"no font has all of {text!r}")
    return text


class Texts:
    """Words and lines of a source, by chance; what can be written is known beforehand.

    Args:
        config: How many words a line has, and what is held out.
        source: Where words come from.
        fonts: What they are drawn with.
    """

    def __init__(self, config: SyntheticTextConfig, source: Source, fonts: Fonts) -> None:
        self.config, self.source, self.fonts = config, source, fonts
        self.characters = charsets.ordered(source.characters + " " * (config.max_words > 1))
        self._known = {*self.characters, " "}

    def text(self, split: str, rng: np.random.Generator) -> str:
        """Make up a text, clean, which some font can draw.

        Raises:
            DataError: If there is none; says why.
        """
        count = int(rng.integers(self.config.min_words, self.config.max_words + 1))
        text = self._word(split, rng)
        for _ in range(count - 1):
            text = self._word(split, rng, f"{text} ")
        return text

    def _word(self, split: str, rng: np.random.Generator, before: str = "") -> str:
        """Return what stands before, and a word behind it."""
        reason = f"none of them is kept for {split}: give more words, or set text.held_out=0"
        for _ in range(TRIES):
            word = charsets.clean(self.source.word(rng))
            if not word or not self._is_of(word, split) or not self._known.issuperset(word):
                continue
            try:
                return usable(before + word, self.fonts)
            except ValueError as fault:
                reason = str(fault)
        raise DataError(f"of {TRIES} texts that were made up, none can be used; {reason}")

    def _is_of(self, word: str, split: str) -> bool:
        share = self.config.held_out
        if not share:
            return True
        place = int.from_bytes(blake2b(word.encode(), digest_size=8).digest()) / 2**64
        return split == ("val" if place < share else "test" if place < 2 * share else "train")
