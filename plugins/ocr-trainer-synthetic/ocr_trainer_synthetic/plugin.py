"""Description of `synthetic`; importing it loads neither numpy nor Pillow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ocr_trainer.plugin import Config, DatasetPlugin, Options, Task, option


@dataclass
class SyntheticTextConfig(Options):
    """Words and lines for a recognizer. The words are made up; or of a list, a pattern or characters."""

    train_texts: int = option(10000, at_least=1)
    """Texts per epoch; they are new ones in every epoch."""
    val_texts: int = option(1000, at_least=0)
    """Texts to validate on, the same after every epoch; 0 for none."""
    test_texts: int = option(1000, at_least=0)
    """Texts to test on; 0 for none."""
    held_out: float = option(0.1, at_least=0, at_most=0.4)
    """The share of all words that are for validation only, and for the test only as many; 0 to share all."""
    words: Path | None = None
    """A list of words, one a row, UTF-8."""
    pattern: str | None = None
    r"""What words look like, such as `[A-Z]{2}-\d{4}`: characters, sets, groups, alternatives and counts."""
    characters: str = ""
    """Characters that random words are made of."""
    charsets: list[str] = field(default_factory=list)
    """Sets of characters that random words are made of, by name, such as digits, latin or hangul."""
    characters_file: Path | None = None
    """A file of characters that random words are made of, one a row or all in one."""
    min_length: int = option(1, at_least=1)
    """The fewest characters of a random word."""
    max_length: int = option(10, at_least=1, at_most=1000)
    """The most characters of a random word."""
    min_words: int = option(1, at_least=1)
    """The fewest words of a line."""
    max_words: int = option(1, at_least=1, at_most=100)
    """The most words of a line; 1 for single words."""
    min_font_size: int = option(24, at_least=8)
    """The smallest font, in pixels per em."""
    max_font_size: int = option(48, at_least=8, at_most=256)
    """The largest font, in pixels per em."""
    padding: float = option(0.2, at_least=0, at_most=2)
    """The widest space on each side of the ink, as a share of its height."""
    max_angle: float = option(3.0, at_least=0, at_most=45)
    """The greatest rotation to either side, in degrees; long lines turn less."""
    perspective: float = option(0.05, at_least=0, at_most=0.2)
    """How far each corner may move to each side, as a share of the height."""
    blur: float = option(0.3, at_least=0, at_most=1)
    """How often the text is blurred."""

    def validate(self) -> Iterator[str]:
        """Yield what contradicts itself, and what cannot be read."""
        drawn = bool(self.characters or self.charsets or self.characters_file)
        if (self.words is not None) + (self.pattern is not None) + drawn > 1:
            yield (
                "words, pattern and characters are three sources of words, set one of them; "
                "dataset=concat mixes several"
            )
        if self.characters and not self.characters.strip():
            yield "characters has nothing but space; a line gets its spaces by max_words"
        # Imported on use: runs that make no texts need neither.
        try:
            if self.pattern is not None:
                from ocr_trainer_synthetic import pattern

                pattern.parse(self.pattern)
            if drawn:
                from ocr_trainer.text import charsets, normalize

                normalize.clean(self.characters)
                for name in self.charsets:
                    charsets.named(name)
        except ValueError as fault:
            yield str(fault)
        for key in ("length", "words", "font_size"):
            low, high = getattr(self, f"min_{key}"), getattr(self, f"max_{key}")
            if low > high:
                yield f"min_{key}={low} is more than max_{key}={high}"


@dataclass
class SyntheticConfig(Config):
    """Pages of rendered words to detect, or words and lines to read, made on the fly: nothing to download."""

    train_pages: int = option(800, at_least=1)
    """Pages per epoch; they are new ones in every epoch."""
    val_pages: int = option(40, at_least=0)
    """Pages to validate on, the same after every epoch; 0 for none."""
    test_pages: int = option(40, at_least=0)
    """Pages to test on; 0 for none."""
    height: int = option(512, at_least=64, at_most=8192)
    """Height of a page, in pixels."""
    width: int = option(512, at_least=64, at_most=8192)
    """Width of a page, in pixels."""
    min_words: int = option(5, at_least=1)
    """The fewest words a page is meant to have; there are fewer where they do not fit."""
    max_words: int = option(60, at_least=1)
    """The most words a page can have."""
    min_font_size: int = option(12, at_least=6)
    """The smallest font, in pixels per em."""
    max_font_size: int = option(44, at_least=6)
    """The largest font, in pixels per em."""
    max_angle: float = option(40.0, at_least=0, at_most=90)
    """The steepest text, in degrees to either side; most is level or nearly so."""
    fonts: list[Path] = field(default_factory=list)
    """Font files (TrueType or OpenType) or folders of them; none for the one built in, which is Latin."""
    system_fonts: bool = False
    """Use the fonts of this machine, too; other machines then make other pictures."""
    text: SyntheticTextConfig = field(default_factory=SyntheticTextConfig)
    """What a recognizer is given; of the options above, only the fonts concern it."""

    def validate(self) -> Iterator[str]:
        """Yield the ranges that are upside down, and fonts that fill the page."""
        if self.min_words > self.max_words:
            yield f"min_words={self.min_words} is more than max_words={self.max_words}"
        if self.min_font_size > self.max_font_size:
            yield f"min_font_size={self.min_font_size} is more than max_font_size={self.max_font_size}"
        if 4 * self.min_font_size > min(self.height, self.width):
            page = f"height={self.height} and width={self.width}"
            yield f"min_font_size={self.min_font_size} is more than a quarter of the page, {page}"


synthetic = DatasetPlugin(
    api=1,
    summary="pages of rendered words, or words and lines alone, made on the fly",
    config=SyntheticConfig,
    tasks=(Task.detection, Task.recognition),
    factory="ocr_trainer_synthetic.synthetic:Synthetic",
)
