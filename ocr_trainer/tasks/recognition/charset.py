"""The characters that a recognizer tells apart: where they come from, and how texts are written with them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

import numpy as np
import torch

from ocr_trainer.errors import ConfigError
from ocr_trainer.tasks.recognition.config import CharsetConfig, Unknown
from ocr_trainer.text import charset_file, charsets, normalize


class UnknownCharacter(ValueError):
    """A text has a character that the charset lacks."""


class Codec:
    """Between texts and codes: the place of each character in the charset."""

    def __init__(self, charset: str, replacement: str | None = None) -> None:
        """Keep the charset, and the character of it that stands for all others, if one does."""
        self._codes = {character: code for code, character in enumerate(charset)}
        self._other = None if replacement is None else self._codes[replacement]

    def encode(self, text: str) -> np.ndarray:
        """Return the codes of a clean text: int64, (characters,).

        Raises:
            UnknownCharacter: A character is not in the charset, and none stands for it.
        """
        codes = [self._codes.get(character, self._other) for character in text]
        if None in codes:
            raise UnknownCharacter(f"{named(text[codes.index(None)])} is not in the charset")
        return np.array(codes, dtype=np.int64)


def named(character: str) -> str:
    """Return a character as messages show it: itself, code point and name."""
    name = unicodedata.name(character, "")
    return f"'{character}' (U+{ord(character):04X}{' ' * bool(name)}{name})"


def choose(config: CharsetConfig, of_data: str, before: str) -> str:
    """Put together the charset of a run.

    Args:
        config: Where its characters come from.
        of_data: The characters of the training texts.
        before: The charset of the checkpoint that the model begins with; kept where the data decides.

    Raises:
        ConfigError: There would be none.
    """
    found = set().union(*map(charsets.named, config.names))
    if config.file is not None:
        found |= set(charset_file.read_file(config.file.expanduser()))
    if config.from_data or not config.given:
        found |= set(of_data) | set(before)
    if config.unknown is Unknown.replace:
        found.add(config.replacement)
    first = "".join(dict.fromkeys(unicodedata.normalize("NFC", config.characters)))
    charset = first + normalize.ordered(found - set(first))
    # Side by side, a configuration would take them for the beginning of an interpolation.
    charset = charset.replace("${", "{$")
    if not charset:
        raise ConfigError(
            "this run cannot start: the charset is empty, as the dataset does not tell its texts beforehand\n"
            "  say what is read: charset.names=[latin,digits], charset.file=FILE or charset.characters=…\n"
            f"  names: {', '.join(charsets.names())}"
        )
    return charset


def remap_charset_rows(
    found: dict[str, torch.Tensor], own: dict[str, torch.Tensor], rows: dict[str, int], old: str, new: str
) -> Iterator[tuple[str, torch.Tensor]]:
    """Bring tensors that have a row per character from one charset to another.

    Args:
        found: The checkpoint's tensors.
        own: The model's, freshly drawn: rows of characters that are new stay as they are here.
        rows: The row of the first character in each such tensor.
        old: The checkpoint's charset.
        new: The model's.
    """
    pairs = [(old.index(c), k) for k, c in enumerate(new) if c in old]
    there, here = ([p[side] for p in pairs] for side in (0, 1))
    for name, first in rows.items():
        if name not in found or found[name].shape[1:] != own[name].shape[1:]:
            continue
        if len(found[name]) - len(old) != len(own[name]) - len(new):
            continue  # of another model: other rows stand beside those of the characters
        value = own[name].clone()
        value[:first] = found[name][:first]
        # What stands behind the characters, such as the mark of a text's beginning.
        value[first + len(new) :] = found[name][first + len(old) :]
        value[[first + k for k in here]] = found[name][[first + k for k in there]]
        yield name, value
