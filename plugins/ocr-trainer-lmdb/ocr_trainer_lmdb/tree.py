"""Reading LMDB files of data version 1 (LMDB 0.9): the keys and values of the main database.

After mdb.c of OpenLDAP. Read here because the library maps the file into memory and believes what it says:
a page that is damaged or missing ends the process (SIGSEGV, SIGBUS), and a training run must outlive one.
What is read here is checked before it is followed, page by page on the way to a key, so that opening a file
of a million keys costs no more than one of ten.
"""

from __future__ import annotations

import os
import struct
import weakref
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

MAGIC, VERSION = 0xBEEFC0DE, 1
NOWHERE = 2**64 - 1
"""The root of a database without keys."""

BRANCH, LEAF, OVERFLOW, META = 0x01, 0x02, 0x04, 0x08
"""What a page is."""
ELSEWHERE = 0x01
"""Of a node: its value is too large for the page and has pages of its own."""

HEADER = struct.Struct("=QHHHH")
"""Of a page: its number, padding, what it is, where its offsets end and where its nodes begin."""
NODE = struct.Struct("=HHHH")
"""Of a node: the size of its value, low and high; what it is; the size of its key."""
CHILD = struct.Struct("=IHH")
"""Of a node of a branch: a page's number, low and high; the size of its key."""
RECORD = struct.Struct("=II 16x I44x IHH32xQ QQ")
"""Of a meta page: magic number, version, page size, main database (padding, flags, depth, root), last page,
number of the change."""

DEEPEST = 32
"""Pages from the root to a key, as in the library."""
KEPT = 2048
"""Branches; of a million keys there are some hundreds."""
VALUE_LIMIT = 256 * 2**20
"""Bytes; no image is larger, and a damaged length may say anything."""


class Page(NamedTuple):
    """A page of the tree."""

    data: bytes
    kind: int
    nodes: tuple[int, ...]
    """Where they begin, in the order of their keys."""

    def key(self, node: int) -> bytes:
        """Return the key of a node."""
        start = node + NODE.size
        key = self.data[start : start + NODE.unpack_from(self.data, node)[3]]
        if len(key) < NODE.unpack_from(self.data, node)[3]:
            raise ValueError("a key is cut off")
        return key


class Entry(NamedTuple):
    """A key, and where its value is to be found."""

    key: bytes
    page: Page
    node: int


class Tree:
    """An LMDB file. Whatever is read raises a ValueError, in words, where it is damaged."""

    def __init__(self, path: Path) -> None:
        """Open a file.

        Raises:
            OSError: It cannot be read.
            ValueError: It is no LMDB, is truncated, or is none of this kind.
        """
        self._branches: dict[int, Page] = {}
        self._file = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._file)
        size = os.fstat(self._file).st_size
        if not size:
            raise ValueError("it is empty")
        self._page_size = self._meta(0)[2]
        if not 256 <= self._page_size <= 1 << 15 or self._page_size & (self._page_size - 1):
            raise ValueError("it is not an LMDB file, or its head is damaged")
        metas = self._meta(0), self._meta(self._page_size)  # the library writes them in turn
        *_, flags, _, self._root, self._last, _ = max(metas, key=lambda meta: meta[-1])
        promised = (self._last + 1) * self._page_size
        if size < promised:
            raise ValueError(f"it is truncated: {size:,} of {promised:,} bytes are there")
        if flags:
            raise ValueError("its keys have several values or an order of their own")

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None if there is none."""
        found = next(self.entries(key), None)
        return self.value(found) if found and found.key == key else None

    def entries(self, start: bytes) -> Iterator[Entry]:
        """Yield the entries from a key on, in order."""
        last = b""
        for entry in self._below(self._root, start, DEEPEST) if self._root != NOWHERE else ():
            if entry.key <= last:  # else a page that leads back to itself would never end
                raise ValueError("its keys are not in order")
            last = entry.key
            yield entry

    def value(self, entry: Entry) -> bytes:
        """Return the value of an entry."""
        low, high, kind, key_size = NODE.unpack_from(entry.page.data, entry.node)
        size, start = low | high << 16, entry.node + NODE.size + key_size
        if size > VALUE_LIMIT:
            raise ValueError(f"it has {size:,} bytes")
        if kind not in (0, ELSEWHERE):
            raise ValueError("it is no single value")
        if kind:
            (number,) = struct.unpack("=Q", self._slice(entry.page.data, start, 8))
            return self._read(number, OVERFLOW, HEADER.size + size)[HEADER.size :]
        return self._slice(entry.page.data, start, size)

    def _below(self, number: int, start: bytes, depth: int) -> Iterator[Entry]:
        """Yield the entries of a page and of those below it, from a key on."""
        page = self._page(number)
        if page.kind == LEAF:
            first = bisect_left(page.nodes, start, key=page.key)
            yield from (Entry(page.key(node), page, node) for node in page.nodes[first:])
            return
        if not depth:
            raise ValueError("its pages lead back to one another")
        # The first key of a branch is not written: it is lower than all.
        first = bisect_right(page.nodes, start, lo=1, key=page.key) - 1
        for node in page.nodes[first:]:
            low, high, _ = CHILD.unpack_from(page.data, node)
            yield from self._below(low | high << 32, start, depth - 1)

    def _page(self, number: int) -> Page:
        """Return a page of the tree; branches are few, met again and again, and kept."""
        if page := self._branches.get(number):
            return page
        data = self._read(number, BRANCH | LEAF, self._page_size)
        _, _, kind, end, begin = HEADER.unpack_from(data)
        if not HEADER.size < end <= begin <= len(data) - NODE.size:
            raise ValueError(f"page {number} is damaged")
        nodes = struct.unpack_from(f"={(end - HEADER.size) // 2}H", data, HEADER.size)
        if not (begin <= min(nodes) and max(nodes) <= len(data) - NODE.size):
            raise ValueError(f"page {number} is damaged")
        page = Page(data, kind, nodes)
        if kind == BRANCH and len(self._branches) < KEPT:
            self._branches[number] = page
        return page

    def _read(self, number: int, kinds: int, size: int) -> bytes:
        """Return a page of one of some kinds, or as many that follow one another as have so many bytes."""
        if not (number > 1 and (number * self._page_size) + size <= (self._last + 1) * self._page_size):
            raise ValueError(f"it points to page {number}, which is not there")
        data = os.pread(self._file, size, number * self._page_size)
        if len(data) < size:
            raise ValueError(f"page {number} is cut off")
        own, _, kind, *_ = HEADER.unpack_from(data)
        if own != number or kind not in (BRANCH, LEAF, OVERFLOW) or not kind & kinds:
            raise ValueError(f"page {number} is damaged")
        return data

    def _meta(self, place: int) -> tuple[int, ...]:
        data = os.pread(self._file, HEADER.size + RECORD.size, place)
        if len(data) < HEADER.size + RECORD.size:
            raise ValueError("it is truncated")
        meta = RECORD.unpack_from(data, HEADER.size)
        if meta[0] != MAGIC or not HEADER.unpack_from(data)[2] & META:
            raise ValueError("it is not an LMDB file, or its head is damaged")
        if meta[1] != VERSION:
            raise ValueError(f"it is of LMDB's data version {meta[1]}, not of {VERSION}")
        return meta

    @staticmethod
    def _slice(data: bytes, start: int, size: int) -> bytes:
        if start + size > len(data):
            raise ValueError("it is cut off")
        return data[start : start + size]
