r"""Patterns for random words: the part of regular expressions that matches texts of bounded length.

Examples are `\d{3,8}`, `[A-Z]{2}-\d{4}` and `(INV|CR)/20\d\d(-[a-z])?`. A pattern consists of characters,
`\` before a special character, `\d` for a digit, `\w` for a letter from A to Z or a to z, a digit or `_`,
sets such as `[a-f_]`, groups with alternatives such as `(a|b)`, and the counts `?`, `{3}` and `{3,8}` after
any of these.
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
MAX_COUNT = 1000
"""Largest count."""


class Node(ABC):
    """A part of a pattern."""

    @property
    @abstractmethod
    def characters(self) -> set[str]:
        """Every character that it can produce."""

    @abstractmethod
    def sample(self, rng: Generator) -> str:
        """Return a random text that the node matches; each choice is uniform."""


@dataclass(frozen=True)
class OneOf(Node):
    """A character of a set."""

    members: str

    @property
    def characters(self) -> set[str]:
        """Every character that it can produce."""
        return set(self.members)

    def sample(self, rng: Generator) -> str:
        """Return a random text."""
        return self.members[rng.integers(len(self.members))] if len(self.members) > 1 else self.members


@dataclass(frozen=True)
class Sequence(Node):
    """Several parts in order."""

    parts: tuple[Node, ...]

    @property
    def characters(self) -> set[str]:
        """Every character that it can produce."""
        return set().union(*(part.characters for part in self.parts))

    def sample(self, rng: Generator) -> str:
        """Return a random text."""
        return "".join(part.sample(rng) for part in self.parts)


@dataclass(frozen=True)
class Alternatives(Node):
    """One of several alternatives."""

    parts: tuple[Node, ...]

    @property
    def characters(self) -> set[str]:
        """Every character that it can produce."""
        return set().union(*(part.characters for part in self.parts))

    def sample(self, rng: Generator) -> str:
        """Return a random text."""
        return self.parts[rng.integers(len(self.parts))].sample(rng)


@dataclass(frozen=True)
class Repeat(Node):
    """A part, `low` to `high` times."""

    part: Node
    low: int
    high: int

    @property
    def characters(self) -> set[str]:
        """Every character that it can produce."""
        return self.part.characters if self.high else set()

    def sample(self, rng: Generator) -> str:
        """Return a random text."""
        count = int(rng.integers(self.low, self.high + 1))
        return "".join(self.part.sample(rng) for _ in range(count))


def parse(pattern: str) -> Node:
    """Parse a pattern.

    Raises:
        ValueError: If it is not valid; the message says where and why.
    """
    return _Parser(pattern).parse()


class _Parser:
    """Parse a pattern from left to right, with one method per kind of part."""

    def __init__(self, pattern: str) -> None:
        self.pattern, self.position = pattern, 0

    def parse(self) -> Node:
        node = self.alternatives()
        if self.position < len(self.pattern):
            raise self.error("')' without '('")
        return node

    def error(self, reason: str) -> ValueError:
        return ValueError(f"{reason}, at character {self.position + 1} of the pattern {self.pattern!r}")

    def take(self, regex: str) -> re.Match[str] | None:
        """Match at the current position, and move past the match if there is one."""
        found = re.compile(regex, re.DOTALL | re.ASCII).match(self.pattern, self.position)
        self.position = found.end() if found else self.position
        return found

    def alternatives(self) -> Node:
        parts = [self.sequence()]
        while self.take(r"\|"):
            parts.append(self.sequence())
        return Alternatives(tuple(parts)) if len(parts) > 1 else parts[0]

    def sequence(self) -> Node:
        parts = []
        while self.position < len(self.pattern) and self.pattern[self.position] not in "|)":
            parts.append(self.repeat(self.item()))
        return Sequence(tuple(parts)) if len(parts) != 1 else parts[0]

    def repeat(self, node: Node) -> Node:
        if self.take(r"\?"):
            return Repeat(node, 0, 1)
        if not (count := self.take(r"\{(\d+)(?:,(\d+))?\}")):
            return node
        low, high = int(count[1]), int(count[2] or count[1])
        if low > high or high > MAX_COUNT:
            raise self.error(f"{count[0]} is not a count from low to high, at most {MAX_COUNT}")
        return Repeat(node, low, high)

    def item(self) -> Node:
        if self.take(r"\((\?:)?"):
            node = self.alternatives()
            if not self.take(r"\)"):
                raise self.error("')' is missing")
            return node
        if self.take(r"\["):
            return self.character_set()
        if self.pattern[self.position] in SPECIAL and self.pattern[self.position] != "\\":
            sign = self.pattern[self.position]
            advice = "use a count such as {1,8}" if sign in "*+" else f"write \\{sign} for the character"
            raise self.error(f"'{sign}' is not allowed here: {advice}")
        return OneOf(self.character())

    def character(self) -> str:
        """Return the characters that a plain or escaped character stands for."""
        if self.take(r"\\"):
            if not (found := self.take(r"[dw]|[^a-zA-Z0-9]")):
                raise self.error(r"'\' must be followed by d, w or a punctuation character")
            return CLASSES.get(found[0], found[0])
        found = self.take(r".")
        assert found is not None, "the callers check that the pattern continues"
        return found[0]

    def character_set(self) -> Node:
        if self.take(r"\^"):
            raise self.error("a set cannot be negated: list the characters that it contains")
        members = ""
        while not self.take(r"\]"):
            if self.position == len(self.pattern):
                raise self.error("']' is missing")
            first = self.character()
            if self.take(r"-(?=[^\]])"):
                last = self.character()
                if not len(first) == len(last) == 1 or first > last:
                    raise self.error(f"'{first}-{last}' is not a range from low to high")
                first = "".join(map(chr, range(ord(first), ord(last) + 1)))
            members += first
        if not members:
            raise self.error("the set is empty")
        return OneOf("".join(dict.fromkeys(members)))
