"""Description of `synthetic`; importing it loads neither numpy nor Pillow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ocr_trainer.plugin import Config, DatasetPlugin, Options, Task, option


@dataclass
class SyntheticTextConfig(Options):
    """Words and lines for a recognizer: generated words, or words from a list, a pattern or characters."""

    train_texts: int = option(10000, at_least=1)
    """Texts per epoch; every epoch has new ones."""
    val_texts: int = option(1000, at_least=0)
    """Validation texts, the same in every epoch; 0 for none."""
    test_texts: int = option(1000, at_least=0)
    """Test texts; 0 for none."""
    held_out: float = option(0.1, at_least=0, at_most=0.4)
    """Fraction of the words reserved for validation, and the same for the test; 0 to share all words."""
    words: Path | None = None
    """A file of words, one per row, in UTF-8."""
    pattern: str | None = None
    r"""Pattern of the words, such as `[A-Z]{2}-\d{4}`: characters, sets, groups, alternatives and counts."""
    characters: str = ""
    """Characters of random words."""
    charsets: list[str] = field(default_factory=list)
    """Named sets of characters of random words, such as digits, latin or hangul."""
    characters_file: Path | None = None
    """A file with the characters of random words, one per row or all in one row."""
    min_length: int = option(1, at_least=1)
    """Shortest random word, in characters."""
    max_length: int = option(10, at_least=1, at_most=1000)
    """Longest random word, in characters."""
    min_words: int = option(1, at_least=1)
    """Fewest words in a line."""
    max_words: int = option(1, at_least=1, at_most=100)
    """Most words in a line; 1 for single words."""
    min_font_size: int = option(24, at_least=8)
    """Smallest font size, in pixels per em."""
    max_font_size: int = option(48, at_least=8, at_most=256)
    """Largest font size, in pixels per em."""
    padding: float = option(0.2, at_least=0, at_most=2)
    """Largest padding on each side of the ink, as a fraction of its height."""
    max_angle: float = option(3.0, at_least=0, at_most=45)
    """Largest rotation in either direction, in degrees; long lines are rotated less."""
    perspective: float = option(0.05, at_least=0, at_most=0.2)
    """Largest shift of each corner in x and in y, as a fraction of the height."""
    blur: float = option(0.3, at_least=0, at_most=1)
    """Probability that the text is blurred."""

    def validate(self) -> Iterator[str]:
        """Yield one message per contradiction, and per pattern or set of characters that is not valid."""
        random = bool(self.characters or self.charsets or self.characters_file)
        if (self.words is not None) + (self.pattern is not None) + random > 1:
            yield (
                "words, pattern and characters are different sources of words: set only one of them; "
                "dataset=concat mixes several"
            )
        if self.characters and not self.characters.strip():
            yield "characters contains only spaces; spaces between words come from max_words"
        # Imported here because most runs need neither, and importing this module must stay cheap.
        try:
            if self.pattern is not None:
                from ocr_trainer_synthetic import pattern

                pattern.parse(self.pattern)
            if random:
                from ocr_trainer.text import charsets, normalize

                normalize.clean(self.characters)
                for name in self.charsets:
                    charsets.named(name)
        except ValueError as error:
            yield str(error)
        for key in ("length", "words", "font_size"):
            low, high = getattr(self, f"min_{key}"), getattr(self, f"max_{key}")
            if low > high:
                yield f"min_{key}={low} is more than max_{key}={high}"


@dataclass
class SyntheticConfig(Config):
    """Pages of rendered words for detection, or words and lines for recognition, generated on request."""

    train_pages: int = option(800, at_least=1)
    """Pages per epoch; every epoch has new ones."""
    val_pages: int = option(40, at_least=0)
    """Validation pages, the same in every epoch; 0 for none."""
    test_pages: int = option(40, at_least=0)
    """Test pages; 0 for none."""
    height: int = option(512, at_least=64, at_most=8192)
    """Height of a page, in pixels."""
    width: int = option(512, at_least=64, at_most=8192)
    """Width of a page, in pixels."""
    min_words: int = option(5, at_least=1)
    """Fewest words on a page; a page has fewer if they do not fit."""
    max_words: int = option(60, at_least=1)
    """Most words on a page."""
    min_font_size: int = option(12, at_least=6)
    """Smallest font size, in pixels per em."""
    max_font_size: int = option(44, at_least=6)
    """Largest font size, in pixels per em."""
    max_angle: float = option(40.0, at_least=0, at_most=90)
    """Largest rotation of text in either direction, in degrees; most text is level or nearly level."""
    fonts: list[Path] = field(default_factory=list)
    """Font files (TrueType or OpenType) or folders of them; if empty, the built-in font, which is Latin."""
    system_fonts: bool = False
    """Also use the fonts of this machine; images then differ between machines."""
    text: SyntheticTextConfig = field(default_factory=SyntheticTextConfig)
    """Texts for a recognizer; of the options above, only the fonts apply to them."""

    def validate(self) -> Iterator[str]:
        """Yield one message per reversed range, and one if the fonts are too large for the page."""
        if self.min_words > self.max_words:
            yield f"min_words={self.min_words} is more than max_words={self.max_words}"
        if self.min_font_size > self.max_font_size:
            yield f"min_font_size={self.min_font_size} is more than max_font_size={self.max_font_size}"
        if 4 * self.min_font_size > min(self.height, self.width):
            page = f"height={self.height} and width={self.width}"
            yield f"min_font_size={self.min_font_size} is more than a quarter of the page, {page}"


synthetic = DatasetPlugin(
    api=1,
    summary="Pages of rendered words, or single words and lines, generated on request",
    config=SyntheticConfig,
    tasks=(Task.detection, Task.recognition),
    factory="ocr_trainer_synthetic.synthetic:Synthetic",
)
