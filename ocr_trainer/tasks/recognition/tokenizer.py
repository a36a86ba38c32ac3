"""Tokenizers: from the text of an image to the codes that a recognizer learns, and back.

By default a code is a character: its index in the charset. A recognizer may bring a tokenizer of its own, for
example one of sub-words. Which characters a run knows is still up to its charset: unknown ones are reported,
skipped or replaced before a text reaches the tokenizer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ocr_trainer.config.schema import RunConfig
from ocr_trainer.plugin import Kind, discovery
from ocr_trainer.plugin.contract import describe_exception


@runtime_checkable
class Tokenizer(Protocol):
    """Encodes texts. A model sets it as `Recognizer.tokenizer`."""

    def __len__(self) -> int:
        """Return the number of codes: they are 0 to this number - 1."""

    def encode(self, text: str) -> np.ndarray:
        """Return the codes of a text: int64, (codes,).

        Args:
            text: In Unicode NFC, of characters of the charset.

        Raises:
            ValueError: The text cannot be encoded.
        """

    def decode(self, codes: Sequence[int]) -> str:
        """Return the text of codes."""

    def state(self) -> dict[str, Any]:
        """Return what rebuilds the tokenizer, as plain values for JSON. Checkpoints store it."""


class CodePoints:
    """The tokenizer of models that bring none: the code of a character is its index in the charset.

    Args:
        charset: The characters, each once.
    """

    def __init__(self, charset: str) -> None:
        self.charset = charset
        self._codes = {character: code for code, character in enumerate(charset)}

    def __len__(self) -> int:
        return len(self.charset)

    def encode(self, text: str) -> np.ndarray:
        """Return the codes of a text: int64, (characters,)."""
        return np.array([self._codes[character] for character in text], dtype=np.int64)

    def decode(self, codes: Sequence[int]) -> str:
        """Return the characters of codes."""
        return "".join(self.charset[code] for code in codes)

    def state(self) -> dict[str, Any]:
        """Return nothing: the configuration has the charset."""
        return {}


def make_tokenizer(run: RunConfig, charset: str, texts: Iterable[str]) -> Tokenizer | None:
    """Make the tokenizer of the run's model from training texts; return None if the model brings none.

    Args:
        run: The configuration of the run.
        charset: The characters that it should encode.
        texts: The normalized training texts; none if the dataset does not list them.

    Raises:
        PluginBroken: The function that the description names cannot be imported, or returns something else.
    """
    description = discovery.load_model(run.model.name)
    if description.tokenizer is None:
        return None
    plugin = discovery.find(Kind.model, run.model.name)
    made = discovery.import_attribute(plugin, description.tokenizer, "tokenizer")(run.model, charset, texts)
    if not isinstance(made, Tokenizer):
        raise discovery.broken(
            plugin, f"{description.tokenizer} returns a {type(made).__name__}, not a tokenizer"
        )
    return made


def encodable(tokenizer: Tokenizer, charset: str) -> str:
    """Return the characters of a charset that a tokenizer can encode."""
    return "".join(character for character in charset if _encodes(tokenizer, character))


def _encodes(tokenizer: Tokenizer, character: str) -> bool:
    try:
        tokenizer.encode(character)
    except ValueError:
        return False
    return True


def to_json(run: RunConfig, tokenizer: Tokenizer) -> str:
    """Return the state of a tokenizer in the form that the configuration has.

    Raises:
        PluginBroken: The state is not of plain values.
    """
    try:
        text = json.dumps(tokenizer.state(), ensure_ascii=False)
    except (TypeError, ValueError) as error:
        plugin = discovery.find(Kind.model, run.model.name)
        reason = f"the state of its tokenizer is not JSON: {describe_exception(error)}"
        raise discovery.broken(plugin, reason) from error
    # In a configuration, "${" would start an interpolation, and "://…@" would be masked as credentials.
    return text.replace("$", "\\u0024").replace("@", "\\u0040")
