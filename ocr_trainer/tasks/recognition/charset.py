"""The charset of a recognizer: how it is chosen, and how texts are encoded with it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

import numpy as np
import torch

from ocr_trainer.config.schema import RunConfig
from ocr_trainer.errors import ConfigError
from ocr_trainer.plugin import Kind, discovery
from ocr_trainer.tasks.recognition.config import CharsetConfig, Unknown
from ocr_trainer.tasks.recognition.tokenizer import CodePoints, Tokenizer
from ocr_trainer.text import charset_file, charsets, normalize


class UnknownCharacter(ValueError):
    """A text has a character that the charset lacks."""


class Codec:
    """Encodes texts as codes, after it has replaced the characters that the charset lacks.

    Args:
        charset: The characters, each once.
        replacement: The character of the charset that replaces unknown ones, or None.
        tokenizer: Encodes texts over the charset; None for a code per character, its index in the charset.
    """

    def __init__(
        self, charset: str, replacement: str | None = None, tokenizer: Tokenizer | None = None
    ) -> None:
        self._known, self._replacement = frozenset(charset), replacement
        self._tokenizer = tokenizer if tokenizer is not None else CodePoints(charset)

    def encode(self, text: str) -> np.ndarray:
        """Return the codes of a normalized text: int64, (codes,).

        Raises:
            UnknownCharacter: A character is not in the charset, and there is no replacement.
            ValueError: The tokenizer cannot encode the text.
        """
        unknown = [character for character in text if character not in self._known]
        if unknown and self._replacement is None:
            raise UnknownCharacter(f"{named(unknown[0])} is not in the charset")
        for character in unknown:
            text = text.replace(character, str(self._replacement))
        return self._tokenizer.encode(text)


def named(character: str) -> str:
    """Return a character for messages: the character itself, its code point and its Unicode name."""
    name = unicodedata.name(character, "")
    return f"'{character}' (U+{ord(character):04X}{' ' * bool(name)}{name})"


def choose(config: CharsetConfig, of_data: str, before: str) -> str:
    """Return the charset of a run.

    Args:
        config: The sources of its characters.
        of_data: The characters of the training texts.
        before: The characters that the initial weights know; included if the data decides.

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


def initial_charset(run: RunConfig) -> str:
    """Return the characters that the model's published weights know, if it starts from them, or "".

    Raises:
        PluginBroken: The function that the description names cannot be imported.
        CheckpointError: The weights are not available.
    """
    description = discovery.load_model(run.model.name)
    if description.charset is None:
        return ""
    plugin = discovery.find(Kind.model, run.model.name)
    characters: str = discovery.import_attribute(plugin, description.charset, "charset")(run.model)
    return characters


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
