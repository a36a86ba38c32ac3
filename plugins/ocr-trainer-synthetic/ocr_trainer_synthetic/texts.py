"""Which texts a synthetic dataset for recognition has: of a list, of a pattern, of characters, or made up.

Each word belongs to training, validation or test, and always to the same; a digest of it says which, and
each of the three has a word of a list.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from hashlib import blake2b
from pathlib import Path

import numpy as np

from ocr_trainer.data.fonts import Fonts, can_shape, is_invisible, needs_shaping
from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import read_rows
from ocr_trainer.formats.assign import SPLITS, assign_splits
from ocr_trainer.plugin import DataReport
from ocr_trainer.text import charset_file, charsets, normalize
from ocr_trainer_synthetic import pattern, wordlist
from ocr_trainer_synthetic.plugin import SyntheticTextConfig

TRIES = 2000
"""Words that are made up for one that serves."""
SHOWN = 20
"""Characters that a message names."""
FONTS = (
    "  fonts: give files or folders of fonts that have them, or set system_fonts=true for this machine's;\n"
    "  Debian has fonts-nanum for Korean, fonts-noto-cjk for Chinese and Japanese, fonts-noto-core for others"
)


class Source(ABC):
    """Where words come from.

    Args:
        held_out: The share of words that are for validation only, and for the test; 0 to share all.
    """

    characters: str
    """All that the words are made of, by code point."""

    def __init__(self, held_out: float) -> None:
        self.held_out = held_out

    @abstractmethod
    def word(self, rng: np.random.Generator) -> str:
        """Return a word by chance."""

    def word_of(self, split: str, rng: np.random.Generator) -> str:
        """Return a word by chance, clean; an empty one if what came up is of another split."""
        word = normalize.clean(self.word(rng))
        share = self.held_out
        if not share:
            return word
        place = int.from_bytes(blake2b(word.encode(), digest_size=8).digest()) / 2**64
        home = "val" if place < share else "test" if place < 2 * share else "train"
        return word if home == split else ""


class MadeUp(Source):
    """The words that the pages have."""

    characters = wordlist.CHARACTERS

    def word(self, rng: np.random.Generator) -> str:
        """Return a word by chance."""
        return wordlist.word(rng)


class Listed(Source):
    """The words of a file; one that cannot be used goes into the ledger.

    Raises:
        DataError: If the file cannot be read, or no word of it can be used.
    """

    def __init__(self, held_out: float, path: Path, fonts: Fonts, data_report: DataReport) -> None:
        super().__init__(held_out)
        words: dict[str, None] = {}
        for line, row in read_rows(path, data_report):
            data_report.read(labels=1)
            try:
                words[usable(normalize.clean(row), fonts)] = None
            except ValueError as fault:
                data_report.skip_label(path, line, str(fault))
        if not words:
            reasons = [skipped for skipped in data_report.skipped if skipped.file == str(path)]
            because = f"; {reasons[0]}\n{FONTS}" if reasons else ", one a row is wanted"
            raise DataError(f"the list '{path}' has no words that can be used{because}")
        self.path, self.words = path, list(words)
        self.characters = normalize.ordered(self.words)
        self._split = dict.fromkeys(SPLITS, self.words)
        if held_out:
            home = assign_splits(self.words, {"val": held_out, "test": held_out}, seed=0)
            self._split = {split: [word for word in self.words if home[word] == split] for split in SPLITS}

    def word(self, rng: np.random.Generator) -> str:
        """Return a word by chance; all have the same."""
        return self.words[rng.integers(len(self.words))]

    def word_of(self, split: str, rng: np.random.Generator) -> str:
        """Return one of a split's words by chance.

        Raises:
            DataError: If it has none.
        """
        if words := self._split[split]:
            return words[rng.integers(len(words))]
        raise DataError(
            f"'{self.path}' has {len(self.words)} usable words, and none of them is kept for {split}: "
            "give more words, or set text.held_out=0"
        )


class Patterned(Source):
    """Words that match a pattern.

    Raises:
        ValueError: If it is none.
    """

    def __init__(self, held_out: float, text: str) -> None:
        super().__init__(held_out)
        self.node = pattern.parse(text)
        spaced = any(character.isspace() for character in self.node.characters)
        self.characters = normalize.ordered([_cleaned(self.node.characters), " " * spaced])

    def word(self, rng: np.random.Generator) -> str:
        """Return a word by chance."""
        return self.node.write(rng)


class Random(Source):
    """Words of visible characters that are drawn one by one.

    Raises:
        DataError: If there are none, or a file of them cannot be read.
    """

    def __init__(self, config: SyntheticTextConfig) -> None:
        super().__init__(config.held_out)
        found = {*config.characters}.union(*map(charsets.named, config.charsets))
        if config.characters_file is not None:
            found |= {*charset_file.read_file(config.characters_file.expanduser())}
        # Joiners and the like mean something between certain letters only.
        self.characters = _cleaned({character for character in found if not is_invisible(character)})
        if not self.characters:
            raise DataError("no character that random words are to be made of is visible: give others")
        self.low, self.high = config.min_length, config.max_length

    def word(self, rng: np.random.Generator) -> str:
        """Return a word by chance; all lengths and all characters have the same."""
        places = rng.integers(len(self.characters), size=rng.integers(self.low, self.high + 1))
        return "".join([self.characters[place] for place in places.tolist()])


def _cleaned(characters: set[str]) -> str:
    return normalize.ordered(normalize.clean(character) for character in characters).replace(" ", "")


def source_of(config: SyntheticTextConfig, fonts: Fonts, data_report: DataReport) -> Source:
    """Return where the words of a dataset come from.

    Raises:
        DataError: If it has no words, or no font has a character of theirs.
    """
    if config.words is not None:
        return Listed(config.held_out, config.words.expanduser(), fonts, data_report)
    source: Source = MadeUp(config.held_out)
    if config.pattern is not None:
        source = Patterned(config.held_out, config.pattern)
    elif config.characters or config.charsets or config.characters_file is not None:
        source = Random(config)
    if lacking := fonts.lacking(source.characters):
        shown = " ".join(lacking[:SHOWN]) + (" …" if len(lacking) > SHOWN else "")
        raise DataError(f"no font has {len(lacking)} of the characters that are wanted: {shown}\n{FONTS}")
    return source


def usable(text: str, fonts: Fonts) -> str:
    """Return a text that can be drawn.

    Raises:
        ValueError: If it is empty or a word of it shows nothing, no font has all of its characters, or it
            needs a library that is missing.
    """
    if not text:
        raise ValueError("the text is empty")
    if any(all(map(is_invisible, word)) for word in text.split()):
        raise ValueError(f"{text!r} has a word of which nothing is visible")
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
        self.characters = normalize.ordered(source.characters + " " * (config.max_words > 1))
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
            word = self.source.word_of(split, rng)
            if not word or not self._known.issuperset(word):
                continue
            try:
                return usable(before + word, self.fonts)
            except ValueError as fault:
                reason = str(fault)
        raise DataError(f"of {TRIES} texts that were made up, none can be used; {reason}")
