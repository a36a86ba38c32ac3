"""The metadata of an exported model: JSON in the file, which is checked before it is used."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_type_hints

from ocr_trainer_runtime.errors import ModelError

KEY = "ocr_trainer"
"""The key of the metadata in a file."""
FORMAT = 1
"""The version of the metadata that this runtime reads."""
KINDS = ("regions", "ctc", "positions")
"""The kinds of main outputs."""
LARGEST = 1 << 20
"""Largest number allowed in the metadata; sides, widths and limits of pages are smaller."""
MAX_STRIDE = 1024
"""Largest stride of a network, in pixels."""

T = TypeVar("T")


@dataclass(frozen=True)
class Metadata:
    """The metadata of an exported model."""

    path: Path
    """The file, for messages."""
    content: Mapping[str, Any]

    @classmethod
    def parse(cls, path: Path, named: Mapping[str, str]) -> Metadata:
        """Return the metadata among the named strings of an ONNX file.

        Raises:
            ModelError: The file has no metadata, or metadata of another version.
        """
        try:
            content = json.loads(named[KEY])
            version = content["format"]
        except (KeyError, ValueError, TypeError, RecursionError) as error:
            raise ModelError(f"'{path}' was not written by `ocr-train export --format onnx`") from error
        if version != FORMAT:
            raise ModelError(f"'{path}' has metadata of version {version!r}, but this runtime reads {FORMAT}")
        return cls(path, content)

    @property
    def model(self) -> str:
        """The name of the model's plugin."""
        return str(self.content.get("model"))

    @property
    def kind(self) -> str:
        """The kind of the main output, one of `KINDS`.

        Raises:
            ModelError: The kind is unknown.
        """
        kind = self.section("output").get("kind")
        if kind not in KINDS:
            raise self.odd("output", f"kind is {kind!r}")
        return str(kind)

    @property
    def stride(self) -> int:
        """The sides of images are padded to multiples of this number of pixels."""
        stride = int(self._convert("input", "stride", int, self.section("input").get("stride")))
        if not 1 <= stride <= MAX_STRIDE:  # more would make huge images of small ones
            raise self.odd("input", f"stride is {stride}")
        return stride

    @property
    def charset(self) -> str:
        """The characters of a recognizer, each once."""
        charset = self.content.get("charset")
        if not isinstance(charset, str) or not charset:
            raise ModelError(f"'{self.path}' has no charset, so its texts cannot be spelled")
        return charset

    @property
    def margins(self) -> list[float]:
        """The margins that a recognizer was trained with, as fractions of the height of a text."""
        margins = self.content.get("margins", [])
        if not isinstance(margins, list):
            raise self.odd("margins", f"the value is {margins!r}")
        return [float(self._convert("margins", "a margin", float, margin)) for margin in margins]

    def section(self, name: str) -> Mapping[str, Any]:
        """Return a section of the metadata; empty if it is missing."""
        found = self.content.get(name, {})
        return found if isinstance(found, Mapping) else {}

    def number(self, name: str) -> float | None:
        """Return a number that may be missing."""
        value = self.content.get(name)
        return None if value is None else float(self._convert(name, name, float, value))

    def read(self, kind: type[T], name: str) -> T:
        """Return a section of the metadata as a dataclass.

        Raises:
            ModelError: An entry is missing, has another type or is out of range.
        """
        found, types = self.section(name), get_type_hints(kind)
        names = [entry.name for entry in fields(kind)]  # type: ignore[arg-type]
        if missing := [entry for entry in names if entry not in found]:
            raise self.odd(name, f"{missing[0]} is missing")
        return kind(**{entry: self._convert(name, entry, types[entry], found[entry]) for entry in names})

    def odd(self, section: str, what: str) -> ModelError:
        """Return the error of metadata that cannot be used."""
        return ModelError(f"the metadata of '{self.path}' cannot be used: in {section}, {what}")

    def _convert(self, section: str, name: str, kind: Any, value: Any) -> Any:
        if isinstance(kind, UnionType):
            if value is None and NoneType in get_args(kind):
                return None
            kind = next(one for one in get_args(kind) if one is not NoneType)
        if kind is float and type(value) is int:
            value = float(value)
        if isinstance(kind, type) and issubclass(kind, Enum):
            if value in [one.value for one in kind]:
                return kind(value)
        elif type(value) is kind and (kind is bool or (math.isfinite(value) and 0 <= value <= LARGEST)):
            return value
        raise self.odd(section, f"{name} is {value!r}")
