"""Which fonts there are, and which of them have the characters of a text.

A font draws an empty box, or nothing, for a character that it lacks. Nobody should learn to read those,
so a font is used for a text only if it has all of its characters.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Iterable
from functools import cache, lru_cache
from io import BytesIO
from pathlib import Path

from PIL import ImageFont, features

from ocr_trainer_runtime.errors import DataError

KINDS = {".ttf", ".otf", ".ttc", ".otc"}
PICTURES = (
    *("symbol", "dingbat", "wingding", "webding", "emoji", "icon", "barcode"),
    *("lastresort", "adobeblank"),  # they draw a box, or nothing, for every character that there is
)
"""What is in the names of fonts that draw something else in the place of characters."""
MISSING = "\uffff"
"""No character, by definition: a font shows what it shows for one that it lacks."""
SIZE = 32
"""Pixels per em at which characters are compared with it."""

FOLDERS = {
    "win32": ("$WINDIR/Fonts", "$LOCALAPPDATA/Microsoft/Windows/Fonts"),
    "darwin": ("/System/Library/Fonts", "/Library/Fonts", "~/Library/Fonts"),
}
UNIX = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts")


def of_system() -> list[Path]:
    """Return the font files of this machine, sorted, without those of pictures."""
    if finder := shutil.which("fc-list"):
        done = subprocess.run([finder, "--format", "%{file}\n"], capture_output=True, text=True)
        files = {Path(line) for line in done.stdout.splitlines()}
    else:
        folders = FOLDERS.get(sys.platform, UNIX)
        files = {f for folder in folders for f in _within(Path(os.path.expandvars(folder)).expanduser())}
    return sorted(f for f in files if f.suffix.lower() in KINDS and not _is_pictures(f))


def _within(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.suffix.lower() in KINDS]


def _is_pictures(path: Path) -> bool:
    name = path.stem.lower().replace(" ", "").replace("-", "")
    return any(word in name for word in PICTURES)


def find(paths: Iterable[Path], system: bool) -> list[Path | None]:
    """Return the fonts to draw with; `None` is the one that Pillow brings, if there are no others.

    Args:
        paths: Files, or folders of them. Files of a folder, or of the machine, that cannot be opened are
            left out.
        system: Add those of the machine.

    Raises:
        DataError: If a file cannot be opened, or there are no fonts where they are said to be.
    """
    found: list[Path | None] = []
    for path in (path.expanduser() for path in paths):
        files = sorted(_within(path)) if path.is_dir() else [check(path)]
        usable = [file for file in files if _opens(file)]
        if not usable:
            raise DataError(
                f"there are no fonts in the folder '{path}'\n  looked for: {', '.join(sorted(KINDS))}"
            )
        found += usable
    if system and not (more := [file for file in of_system() if _opens(file)]):
        raise DataError("there are no fonts on this machine\n  fonts: give files or folders, or install some")
    elif system:
        found += more
    return list(dict.fromkeys(found)) or [None]


def check(path: Path) -> Path:
    """Return a font's path.

    Raises:
        DataError: If it cannot be opened.
    """
    try:
        open_font(path, SIZE)
    except OSError as error:
        raise DataError(
            f"the font '{path}' cannot be opened: {error}\n  fonts: paths of TrueType or OpenType files"
        ) from error
    return path


def _opens(path: Path) -> bool:
    try:
        open_font(path, SIZE)
    except OSError:
        return False
    return True


@lru_cache(maxsize=2048)
def open_font(path: Path | None, size: int, shaped: bool = False) -> ImageFont.FreeTypeFont:
    """Open a font.

    Args:
        path: Its file; `None` for the one that Pillow brings.
        size: Pixels per em.
        shaped: Whether what is drawn `needs_shaping`.

    Raises:
        OSError: If that is no font, or has not that size.
    """
    source = BytesIO(_built_in()) if path is None else path
    engine = ImageFont.Layout.RAQM if shaped else ImageFont.Layout.BASIC
    return ImageFont.truetype(source, size, layout_engine=engine)


@lru_cache(maxsize=1)
def _built_in() -> bytes:
    font = ImageFont.load_default(SIZE)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font.font_bytes


def can_shape() -> bool:
    """Tell whether Pillow can join and reorder letters: it needs Raqm, and that FriBiDi."""
    return bool(features.check_feature("raqm"))


def needs_shaping(text: str) -> bool:
    """Tell whether a text is more than one glyph per character from left to right.

    So are scripts that run from right to left or whose letters join, marks that sit on letters, joiners,
    and Hangul of conjoining jamo that make up no modern syllable.
    """
    return not text.isascii() and any(map(_is_complex, text))


def is_invisible(character: str) -> bool:
    """Tell whether a character only tells how others are set, such as the zero-width joiner."""
    return unicodedata.category(character) == "Cf"


@cache
def _is_complex(character: str) -> bool:
    return (
        unicodedata.bidirectional(character) in ("R", "AL", "AN")
        or unicodedata.category(character) in ("Mn", "Mc", "Cf")
        or "\u1100" <= character <= "\u11ff"  # jamo
        or "\u1800" <= character <= "\u18af"  # Mongolian
    )


class Fonts:
    """Fonts, and which characters each has; looked up when a character is met first."""

    def __init__(self, paths: list[Path | None]) -> None:
        self.paths = paths
        self._having: dict[str, int] = {}
        """For each character met, a bit for each font: whether it has it."""

    def having(self, text: str) -> list[Path | None]:
        """Return the fonts that have all characters of a text."""
        bits = (1 << len(self.paths)) - 1
        for character in text:
            found = self._having.get(character)
            bits &= self._look_up(character) if found is None else found
        return [path for index, path in enumerate(self.paths) if bits >> index & 1]

    def _look_up(self, character: str) -> int:
        bits = sum(1 << index for index, path in enumerate(self.paths) if has(path, character))
        self._having[character] = bits
        return bits

    def lacking(self, characters: Iterable[str]) -> str:
        """Return the characters that no font has."""
        return "".join(c for c in characters if not any(has(path, c) for path in self.paths))


def has(path: Path | None, character: str) -> bool:
    """Tell whether a font has a character: not if it shows nothing, or what it shows for none.

    A space, and what is invisible by definition, needs no glyph.
    """
    if character == " " or is_invisible(character):
        return True
    font = open_font(path, SIZE)
    left, top, right, bottom = extent = font.getbbox(character)
    if left >= right or top >= bottom:
        return False
    # Where the extents differ, the shapes do, and need not be drawn.
    missing, shape = _missing(path)
    return extent != missing or bytes(font.getmask(character)) != shape


@cache
def _missing(path: Path | None) -> tuple[tuple[float, float, float, float], bytes]:
    """Return the extent and the gray levels of what a font shows for a character that it lacks."""
    font = open_font(path, SIZE)
    return font.getbbox(MISSING), bytes(font.getmask(MISSING))
