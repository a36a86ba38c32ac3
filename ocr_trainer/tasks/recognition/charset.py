"""The charset of a recognizer: how it is chosen, and how texts are encoded with it."""

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
    """Encodes texts as codes; the code of a character is its index in the charset.

    Args:
        charset: The characters, each once.
        replacement: The character of the charset that replaces unknown ones, or None.
    """

    def __init__(self, charset: str, replacement: str | None = None) -> None:
        self._codes = {character: code for code, character in enumerate(charset)}
        self._other = None if replacement is None else self._codes[replacement]

    def encode(self, text: str) -> np.ndarray:
        """Return the codes of a normalized text: int64, (characters,).

        Raises:
            UnknownCharacter: A character is not in the charset, and there is no replacement.
        """
        codes = [self._codes.get(character, self._other) for character in text]
        if None in codes:
            raise UnknownCharacter(f"{named(text[codes.index(None)])} is not in the charset")
        return np.array(codes, dtype=np.int64)


def named(character: str) -> str:
    """Return a character for messages: the character itself, its code point and its Unicode name."""
    name = unicodedata.name(character, "")
    return f"'{character}' (U+{ord(character):04X}{' ' * bool(name)}{name})"


def choose(config: CharsetConfig, of_data: str, before: str) -> str:
    """Return the charset of a run.

    Args:
        config: The sources of its characters.
        of_data: The characters of the training texts.
        before: The charset of the checkpoint in `init_from`; included if the data decides.

    Raises:
        ConfigError: The charset would be empty.
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
    # In a configuration, "${" would start an interpolation.
    charset = charset.replace("${", "{$")
    if not charset:
        raise ConfigError(
            "this run cannot start: the charset is empty, and the dataset does not list its texts\n"
            "  choose characters: charset.names=[latin,digits], charset.file=FILE or charset.characters=…\n"
            f"  names: {', '.join(charsets.names())}"
        )
    return charset


def remap_charset_rows(
    weights: dict[str, torch.Tensor], own: dict[str, torch.Tensor], rows: dict[str, int], old: str, new: str
) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield tensors that have a row per character, remapped from one charset to another, with their names.

    Args:
        weights: The checkpoint's tensors.
        own: The newly initialized tensors of the model. Rows of new characters keep these values.
        rows: The row of the first character in each such tensor, by name.
        old: The checkpoint's charset.
        new: The model's charset.
    """
    pairs = [(old.index(c), k) for k, c in enumerate(new) if c in old]
    sources, targets = ([p[side] for p in pairs] for side in (0, 1))
    for name, first in rows.items():
        if name not in weights or weights[name].shape[1:] != own[name].shape[1:]:
            continue
        if len(weights[name]) - len(old) != len(own[name]) - len(new):
            continue  # another architecture, with other special rows
        value = own[name].clone()
        value[:first] = weights[name][:first]
        # Special rows after the characters, such as the beginning-of-sequence token.
        value[first + len(new) :] = weights[name][first + len(old) :]
        value[[first + k for k in targets]] = weights[name][[first + k for k in sources]]
        yield name, value
