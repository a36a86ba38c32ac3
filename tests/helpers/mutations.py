"""Valid annotations made invalid: what a flipped bit, a lost half, an odd program or an ill will makes of them."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from typing import Any

TOKEN = re.compile(rb'"[^"\r\n]*"|[\w.+-]+|\s+|.', re.DOTALL)

NASTY = [
    *(b"nan", b"inf", b"-inf", b"1e308", b"1e999", b"-1", b"0", b"1_0", b"0x1", b"9" * 5000, b"9" * 4000),
    *(
        b"null",
        b"true",
        b"[]",
        b"{}",
        b'""',
        b'"\\ud800"',
        b'"\\u0000"',
        b"[[[[]]]]",
        b"[" * 900 + b"]" * 900,
    ),
    *(b'{"a":' * 900 + b"1" + b"}" * 900, b'"1"', b"[1, 2]", b"[[1, 2], [3, 4], [5, 6]]", b"[NaN, Infinity]"),
    *(b"../../x", b"/etc/passwd", b"a\x00b", b"\\", b"'", b'"', b",", b"\t", b"\n", b"\r", b"\x0b", b"\x1c"),
    *(b"<", b">", b"&", b"&#0;", b"&#55296;", b"<!DOCTYPE a>", b"<![CDATA[", b"]]>", b"<a>" * 200, b"<!--"),
    *(b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\xed\xa0\x80", b"\xc3", b"\x80", b"\xf0\x9f\x91\xa8"),
    *(
        "e\u0301".encode(),
        "\u202e\u05d0".encode(),
        "\u2028".encode(),
        b"x" * 300,
        b"a/" * 300,
        b"%00",
        b"[::1",
    ),
    *(b"image", b"types", b"value", b"points", b"words", b"id", b"text", b"http://[", b"[u'", b"]]", b"####"),
]
"""What stands in for a token, or between two."""

VALUES = [
    *(None, True, False, 0, 1, -1, 0.5, 10**400, -(10**9), 1e308, float("nan"), float("inf"), 2**63),
    *(
        "",
        " ",
        "a.png",
        "train",
        "nan",
        "7",
        "\ud800",
        "a\0b",
        "../a.png",
        "/a.png",
        "http://[",
        "\u202e",
        "x" * 300,
    ),
    *([], {}, [[]], [{}], [None], [1], [1, 2], [[1, 2]], [[1, 2], [3, 4], [5, 6]], [1, 2, 3, 4], {"a": 1}),
]
"""What stands in for a value of JSON."""


def _flip(data: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :]


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def _drop(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data))
    return data[:start] + data[start + rng.randrange(1, 40) :]


def _swap(data: bytes, rng: random.Random) -> bytes:
    rows = data.splitlines(keepends=True)
    rng.shuffle(rows)
    return b"".join(rows)


def _insert(data: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(data))
    return data[:place] + rng.choice([rng.randbytes(rng.randrange(20)), rng.choice(NASTY)]) + data[place:]


def _replace(data: bytes, rng: random.Random) -> bytes:
    """Put something else in the place of a token: what is JSON or XML often stays so."""
    tokens = TOKEN.findall(data)
    tokens[rng.randrange(len(tokens))] = rng.choice([rng.choice(NASTY), rng.choice(tokens)])
    return b"".join(tokens)


def _graft(data: bytes, rng: random.Random) -> bytes:
    """Put another value in the place of one in JSON, or another key in the place of one."""
    name, tab, text = data.rpartition(b"\t")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return _replace(data, rng)
    places = list(_places(document))
    if not places:
        return data
    home, key = rng.choice(places)
    value, keys = home[key], [key for home, key in places if isinstance(key, str)]
    if isinstance(key, str) and rng.random() < 0.2:
        del home[key]
        home[rng.choice([*keys, "types", "value", "id", ""])] = value
    else:
        other, place = rng.choice(places)
        home[key] = rng.choice([rng.choice(VALUES), other[place], _deep(rng)])
    try:
        return name + tab + json.dumps(document).encode()
    except (ValueError, RecursionError):  # now it holds itself, or is deeper than can be written
        return data


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each list or object with each place in it."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


def _deep(rng: random.Random) -> Any:
    value: Any = 1
    for _ in range(rng.randrange(800, 990)):
        value = [value]
    return value


def _repeat(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data))
    part = data[start : start + rng.randrange(1, 80)]
    return data[:start] + part * rng.randrange(2, 20) + data[start:]


MUTATIONS: list[Callable[[bytes, random.Random], bytes]] = [
    *(_flip, _cut, _drop, _swap, _insert, _replace, _replace, _repeat, _graft, _graft),
]


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Return data with one to five faults."""
    for mutation in rng.choices(MUTATIONS, k=rng.choice([1, 1, 2, 3, 5])):
        data = mutation(data or b"\n", rng)
    return data
