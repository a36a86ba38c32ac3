"""The texts of single words and lines: from a list, a pattern, characters, or the default words.

A hash of each word assigns it to training, validation or test, always to the same split. A list gives each
split at least one word if it has enough.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from hashlib import blake2b
from pathlib import Path

import numpy as np

from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import read_rows
from ocr_trainer.formats.assign import SPLITS, assign_splits
from ocr_trainer.plugin import DataReport
from ocr_trainer.text import charset_file, charsets, normalize
from ocr_trainer_runtime.results.fonts import Fonts, can_shape, is_invisible, needs_shaping
from ocr_trainer_synthetic import pattern, wordlist
from ocr_trainer_synthetic.plugin import SyntheticTextConfig

MAX_TRIES = 2000
"""Words drawn until one can be used."""
MAX_SHOWN = 20
"""Characters that a message lists at most."""
FONTS_HINT = (
    "  fonts: name files or folders of fonts that have them, or set system_fonts=true;\n"
    "  on Debian: fonts-nanum for Korean, fonts-noto-cjk for Chinese and Japanese, fonts-noto-core for others"
)


class Source(ABC):
    """A source of words.

    Args:
        held_out: Fraction of the words reserved for validation, and as many for the test; 0: all splits
            share all words.
    """

    characters: str
    """Every character that the words can contain, by code point."""

    def __init__(self, held_out: float) -> None:
        self.held_out = held_out

    @abstractmethod
    def word(self, rng: np.random.Generator) -> str:
        """Return a random word."""

    def word_for(self, split: str, rng: np.random.Generator) -> str:
        """Return a random word, normalized; an empty string if the drawn word belongs to another split."""
        word = normalize.clean(self.word(rng))
        share = self.held_out
        if not share:
            return word
        position = int.from_bytes(blake2b(word.encode(), digest_size=8).digest()) / 2**64
        assigned = "val" if position < share else "test" if position < 2 * share else "train"
        return word if assigned == split else ""


class GeneratedWords(Source):
    """The default words, those of pages."""

    characters = wordlist.CHARACTERS

    def word(self, rng: np.random.Generator) -> str:
        """Return a random word."""
        return wordlist.word(rng)


class WordList(Source):
    """The words of a file; the data report records those that cannot be used.

    Raises:
        DataError: If the file cannot be read, or contains no word that can be used.
    """

    def __init__(self, held_out: float, path: Path, fonts: Fonts, data_report: DataReport) -> None:
        super().__init__(held_out)
        words: dict[str, None] = {}
        for line, row in read_rows(path, data_report):
            data_report.read(labels=1)
            try:
                words[check_drawable(normalize.clean(row), fonts)] = None
            except ValueError as error:
                data_report.skip_label(path, line, str(error))
        if not words:
            reasons = [skipped for skipped in data_report.skipped if skipped.file == str(path)]
            because = f"; {reasons[0]}\n{FONTS_HINT}" if reasons else ": it must contain one word per row"
            raise DataError(f"the list '{path}' contains no word that can be used{because}")
        self.path, self.words = path, list(words)
        self.characters = normalize.ordered(self.words)
        self._split = dict.fromkeys(SPLITS, self.words)
        if held_out:
            assigned = assign_splits(self.words, {"val": held_out, "test": held_out}, seed=0)
            self._split = {
                split: [word for word in self.words if assigned[word] == split] for split in SPLITS
            }

    def word(self, rng: np.random.Generator) -> str:
        """Return a random word; all are equally likely."""
        return self.words[rng.integers(len(self.words))]

    def word_for(self, split: str, rng: np.random.Generator) -> str:
        """Return a random word of a split; all are equally likely.

        Raises:
            DataError: If the split has no word.
        """
        if words := self._split[split]:
            return words[rng.integers(len(words))]
        raise DataError(
            f"'{self.path}' has {len(self.words)} usable words, and none of them belongs to {split}: "
            "add words, or set text.held_out=0"
        )


class PatternWords(Source):
    """Words that match a pattern.

    Raises:
        ValueError: If the pattern is not valid.
    """

    def __init__(self, held_out: float, text: str) -> None:
        super().__init__(held_out)
        self.node = pattern.parse(text)
        spaced = any(character.isspace() for character in self.node.characters)
        self.characters = normalize.ordered([_cleaned(self.node.characters), " " * spaced])

    def word(self, rng: np.random.Generator) -> str:
        """Return a random word."""
        return self.node.sample(rng)


class RandomWords(Source):
    """Words of random visible characters.

    Raises:
        DataError: If no character is visible, or the file of characters cannot be read.
    """

    def __init__(self, config: SyntheticTextConfig) -> None:
        super().__init__(config.held_out)
        found = {*config.characters}.union(*map(charsets.named, config.charsets))
        if config.characters_file is not None:
            found |= {*charset_file.read_file(config.characters_file.expanduser())}
        # Joiners and similar characters only have a meaning between certain letters.
        self.characters = _cleaned({character for character in found if not is_invisible(character)})
        if not self.characters:
            raise DataError("no character for random words is visible: set text.characters to others")
        self.low, self.high = config.min_length, config.max_length

    def word(self, rng: np.random.Generator) -> str:
        """Return a random word; all lengths and all characters are equally likely."""
        indices = rng.integers(len(self.characters), size=rng.integers(self.low, self.high + 1))
        return "".join([self.characters[index] for index in indices.tolist()])


def _cleaned(characters: set[str]) -> str:
    return normalize.ordered(normalize.clean(character) for character in characters).replace(" ", "")


def source_of(config: SyntheticTextConfig, fonts: Fonts, data_report: DataReport) -> Source:
    """Return the source of words that the options choose.

    Raises:
        DataError: If it has no words, or contains characters that no font has.
    """
    if config.words is not None:
        return WordList(config.held_out, config.words.expanduser(), fonts, data_report)
    source: Source = GeneratedWords(config.held_out)
    if config.pattern is not None:
        source = PatternWords(config.held_out, config.pattern)
    elif config.characters or config.charsets or config.characters_file is not None:
        source = RandomWords(config)
    if lacking := fonts.lacking(source.characters):
        shown = " ".join(lacking[:MAX_SHOWN]) + (" …" if len(lacking) > MAX_SHOWN else "")
        raise DataError(f"no font has {len(lacking)} of the characters of the words: {shown}\n{FONTS_HINT}")
    return source


def check_drawable(text: str, fonts: Fonts) -> str:
    """Return the text if it can be drawn.

    Raises:
        ValueError: If it is empty, one of its words is invisible, no font has all of its characters, or
            it needs a library that is missing.
    """
    if not text:
        raise ValueError("the text is empty")
    if any(all(map(is_invisible, word)) for word in text.split()):
        raise ValueError(f"{text!r} has a word without visible characters")
    if needs_shaping(text) and not can_shape():
        raise ValueError(
            f"{text!r} has letters that must be joined or reordered, which this Pillow cannot do: "
            "it lacks Raqm or FriBiDi (on Debian, install libfribidi0)"
        )
    if not fonts.having(text):
        lacking = fonts.lacking(dict.fromkeys(text))
        raise ValueError(f"no font has {' '.join(lacking)}" if lacking else f"no font has all of {text!r}")
    return text


class Texts:
    """Random words and lines of a source; all of their characters are known in advance.

    Args:
        config: Numbers of words per line.
        source: Source of the words.
        fonts: Fonts that draw them.
    """

    def __init__(self, config: SyntheticTextConfig, source: Source, fonts: Fonts) -> None:
        self.config, self.source, self.fonts = config, source, fonts
        self.characters = normalize.ordered(source.characters + " " * (config.max_words > 1))
        self._known = {*self.characters, " "}

    def text(self, split: str, rng: np.random.Generator) -> str:
        """Return a random text of a split, normalized, for which a font has all characters.

        Raises:
            DataError: If no usable text is found; the message says why.
        """
        count = int(rng.integers(self.config.min_words, self.config.max_words + 1))
        text = self._word(split, rng)
        for _ in range(count - 1):
            text = self._word(split, rng, f"{text} ")
        return text

    def _word(self, split: str, rng: np.random.Generator, before: str = "") -> str:
        """Return `before` followed by a random word."""
        reason = f"none of them belongs to {split}: allow more words, or set text.held_out=0"
        # A word can be of another split, or not drawable behind those before it: one font must have all.
        for _ in range(MAX_TRIES):
            word = self.source.word_for(split, rng)
            if not word or not self._known.issuperset(word):
                continue
            try:
                return check_drawable(before + word, self.fonts)
            except ValueError as error:
                reason = str(error)
        raise DataError(f"none of {MAX_TRIES} generated texts can be used: {reason}")
