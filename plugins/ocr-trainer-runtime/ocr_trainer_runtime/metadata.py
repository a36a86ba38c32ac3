"""The metadata of an exported model: JSON in the file, which is checked before it is used."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from ocr_trainer_runtime.errors import ModelError
from ocr_trainer_runtime.options import Limits
from ocr_trainer_runtime.text.visible import one_line

KEY = "ocr_trainer"
"""The key of the metadata in a file."""
FORMAT = 1
"""The version of the metadata that this runtime reads."""
KINDS = ("regions", "ctc", "positions")
"""The kinds of main outputs."""
LARGEST = 1 << 20
"""Largest number allowed in the metadata; sides, widths and limits of pages are smaller."""
ANY = Limits(0, LARGEST)
"""The limits of numbers that have no others."""
MARGIN = Annotated[float, Limits(0, 1)]
"""The type of a margin."""
LONGEST = 60
"""Length up to which values are shown in messages."""
UNSPELLABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Characters that no line of text contains: control characters, line breaks, halves of surrogate pairs."""
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
            found = shown(version)
            raise ModelError(f"'{path}' has metadata of version {found}, but this runtime reads {FORMAT}")
        return cls(path, content)

    @property
    def model(self) -> str:
        """The name of the model's plugin."""
        return one_line(str(self.content.get("model")))[:LONGEST]

    @property
    def kind(self) -> str:
        """The kind of the main output, one of `KINDS`.

        Raises:
            ModelError: The kind is unknown.
        """
        kind = self.section("output").get("kind")
        if kind not in KINDS:
            raise self.odd("output", f"kind is {shown(kind)}")
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
        if (fault := charset_fault(charset)) is not None:
            raise ModelError(f"'{self.path}' has a charset {fault}")
        return charset

    @property
    def margins(self) -> list[float]:
        """The margins that a recognizer was trained with, as fractions of the height of a text."""
        margins = self.content.get("margins", [])
        if not isinstance(margins, list) or len(margins) > LONGEST:
            raise self.odd("margins", f"the value is {shown(margins)}")
        return [float(self._convert("margins", "a margin", MARGIN, margin)) for margin in margins]

    def section(self, name: str) -> Mapping[str, Any]:
        """Return a section of the metadata; empty if it is missing.

        Raises:
            ModelError: It is something else.
        """
        found = self.content.get(name)
        if found is None:
            return {}
        if not isinstance(found, Mapping):
            raise self.odd(name, f"the value is {shown(found)}")
        return found

    def number(self, name: str) -> float | None:
        """Return a number that may be missing."""
        value = self.content.get(name)
        return None if value is None else float(self._convert(name, name, float, value))

    def read(self, kind: type[T], name: str) -> T:
        """Return a section of the metadata as a dataclass.

        Raises:
            ModelError: An entry is missing, has another type or is out of range.
        """
        found, types = self.section(name), get_type_hints(kind, include_extras=True)
        names = [entry.name for entry in fields(kind)]  # type: ignore[arg-type]
        if missing := [entry for entry in names if entry not in found]:
            raise self.odd(name, f"{missing[0]} is missing")
        return kind(**{entry: self._convert(name, entry, types[entry], found[entry]) for entry in names})

    def odd(self, section: str, what: str) -> ModelError:
        """Return the error of metadata that cannot be used."""
        return ModelError(f"the metadata of '{self.path}' cannot be used: in {section}, {what}")

    def _convert(self, section: str, name: str, kind: Any, value: Any) -> Any:
        limits = ANY
        if get_origin(kind) is Annotated:
            kind, limits = get_args(kind)
        if isinstance(kind, UnionType):
            if value is None and NoneType in get_args(kind):
                return None
            kind = next(one for one in get_args(kind) if one is not NoneType)
        if kind is float and type(value) is int and abs(value) <= LARGEST:  # others may overflow
            value = float(value)
        if isinstance(kind, type) and issubclass(kind, Enum):
            if value in [one.value for one in kind]:
                return kind(value)
        elif type(value) is kind and (kind is bool or limits.least <= value <= limits.most):
            return value
        raise self.odd(section, f"{name} is {shown(value)}")


def charset_fault(charset: str) -> str | None:
    """Return why texts cannot be spelled with a charset, in words that follow "a charset"; or None."""
    if (found := UNSPELLABLE.search(charset)) is not None:
        return f"with U+{ord(found[0]):04X}, which no line of text contains"
    (character, count), *_ = Counter(charset).most_common(1)
    if count > 1:
        return f"in which U+{ord(character):04X} occurs {count} times"
    return None


def shown(value: Any) -> str:
    """Return a value for a message, shortened."""
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
