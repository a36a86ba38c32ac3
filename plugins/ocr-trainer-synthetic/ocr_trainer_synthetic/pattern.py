r"""Patterns that words are made by: regular expressions, as far as what they match has an end.

`\d{3,8}`, `[A-Z]{2}-\d{4}`, `(INV|CR)/20\d\d(-[a-z])?`. There are characters, `\` before one that means
something else, `\d` for a digit, `\w` for a letter of A to Z, a to z, a digit or `_`, sets `[a-f_]`, groups
with alternatives `(a|b)`, and the counts `?`, `{3}` and `{3,8}` behind any of these.
"""

from __future__ import annotations

import re
import string
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy.random import Generator

CLASSES = {"d": string.digits, "w": string.ascii_letters + string.digits + "_"}
SPECIAL = r".*+^$(){}[]|?\\"
MOST = 1000
"""The greatest count."""


class Node(ABC):
    """A part of a pattern."""

    @property
    @abstractmethod
    def characters(self) -> set[str]:
        """All that it can write."""

    @abstractmethod
    def write(self, rng: Generator) -> str:
        """Make up a text; what is chosen from has equal chances."""


@dataclass(frozen=True)
class OneOf(Node):
    """A character of a set."""

    members: str

    @property
    def characters(self) -> set[str]:
        """All that it can write."""
        return set(self.members)

    def write(self, rng: Generator) -> str:
        """Make up a text."""
        return self.members[rng.integers(len(self.members))] if len(self.members) > 1 else self.members


@dataclass(frozen=True)
class Row(Node):
    """Parts one after the other."""

    parts: tuple[Node, ...]

    @property
    def characters(self) -> set[str]:
        """All that it can write."""
        return set().union(*(part.characters for part in self.parts))

    def write(self, rng: Generator) -> str:
        """Make up a text."""
        return "".join(part.write(rng) for part in self.parts)


@dataclass(frozen=True)
class Either(Node):
    """One of several alternatives."""

    parts: tuple[Node, ...]

    @property
    def characters(self) -> set[str]:
        """All that it can write."""
        return set().union(*(part.characters for part in self.parts))

    def write(self, rng: Generator) -> str:
        """Make up a text."""
        return self.parts[rng.integers(len(self.parts))].write(rng)


@dataclass(frozen=True)
class Repeated(Node):
    """A part several times."""

    part: Node
    fewest: int
    most: int

    @property
    def characters(self) -> set[str]:
        """All that it can write."""
        return self.part.characters if self.most else set()

    def write(self, rng: Generator) -> str:
        """Make up a text."""
        count = int(rng.integers(self.fewest, self.most + 1))
        return "".join(self.part.write(rng) for _ in range(count))


def parse(pattern: str) -> Node:
    """Read a pattern.

    Raises:
        ValueError: If it is none; says where and why.
    """
    return _Parser(pattern).parse()


class _Parser:
    """Goes through a pattern from left to right, one method per kind of part."""

    def __init__(self, pattern: str) -> None:
        self.pattern, self.place = pattern, 0

    def parse(self) -> Node:
        node = self.either()
        if self.place < len(self.pattern):
            raise self.fault("')' without '('")
        return node

    def fault(self, reason: str) -> ValueError:
        return ValueError(f"{reason}, at character {self.place + 1} of the pattern {self.pattern!r}")

    def take(self, regex: str) -> re.Match[str] | None:
        """Go over what matches here, if it does."""
        found = re.compile(regex, re.DOTALL | re.ASCII).match(self.pattern, self.place)
        self.place = found.end() if found else self.place
        return found

    def either(self) -> Node:
        parts = [self.row()]
        while self.take(r"\|"):
            parts.append(self.row())
        return Either(tuple(parts)) if len(parts) > 1 else parts[0]

    def row(self) -> Node:
        parts = []
        while self.place < len(self.pattern) and self.pattern[self.place] not in "|)":
            parts.append(self.counted(self.one()))
        return Row(tuple(parts)) if len(parts) != 1 else parts[0]

    def counted(self, node: Node) -> Node:
        if self.take(r"\?"):
            return Repeated(node, 0, 1)
        if not (count := self.take(r"\{(\d+)(?:,(\d+))?\}")):
            return node
        fewest, most = int(count[1]), int(count[2] or count[1])
        if fewest > most or most > MOST:
            raise self.fault(f"{count[0]} is no count from low to high of at most {MOST}")
        return Repeated(node, fewest, most)

    def one(self) -> Node:
        if self.take(r"\((\?:)?"):
            node = self.either()
            if not self.take(r"\)"):
                raise self.fault("')' is missing")
            return node
        if self.take(r"\["):
            return self.members()
        if self.pattern[self.place] in SPECIAL and self.pattern[self.place] != "\\":
            sign = self.pattern[self.place]
            advice = "give a count such as {1,8}" if sign in "*+" else f"write \\{sign} for the character"
            raise self.fault(f"'{sign}' cannot stand here: {advice}")
        return OneOf(self.letter())

    def letter(self) -> str:
        """Return the characters that one, plain or behind a backslash, stands for."""
        if self.take(r"\\"):
            if not (found := self.take(r"[dw]|[^a-zA-Z0-9]")):
                raise self.fault(r"'\' stands before d, w or a sign")
            return CLASSES.get(found[0], found[0])
        found = self.take(r".")
        assert found is not None, "the callers look whether there is one"
        return found[0]

    def members(self) -> Node:
        if self.take(r"\^"):
            raise self.fault("a set says what is in it, not what is not")
        members = ""
        while not self.take(r"\]"):
            if self.place == len(self.pattern):
                raise self.fault("']' is missing")
            first = self.letter()
            if self.take(r"-(?=[^\]])"):
                last = self.letter()
                if not len(first) == len(last) == 1 or first > last:
                    raise self.fault(f"'{first}-{last}' is no range from low to high")
                first = "".join(map(chr, range(ord(first), ord(last) + 1)))
            members += first
        if not members:
            raise self.fault("an empty set")
        return OneOf("".join(dict.fromkeys(members)))
