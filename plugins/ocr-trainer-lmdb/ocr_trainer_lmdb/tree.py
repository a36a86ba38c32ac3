"""Read the main database of an LMDB file, data version 1 (LMDB 0.9).

The format follows mdb.c of OpenLDAP. The library maps the file into memory and trusts what it says: a
damaged or missing page kills the process (SIGSEGV, SIGBUS, SIGABRT), and so does an I/O error. This reader
uses `pread` and checks each page on the way to a key, so that damage raises an exception. It reads no page
that a key does not need: opening a file of a million keys takes as long as opening one of ten.
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
NO_ROOT = 2**64 - 1
"""The root of an empty database."""

BRANCH, LEAF, OVERFLOW, META = 0x01, 0x02, 0x04, 0x08
"""Page flags."""
BIG_DATA = 0x01
"""Node flag: the value is on overflow pages of its own."""

HEADER = struct.Struct("=QHHHH")
"""Page header: page number, padding, flags, end of the node offsets, start of the nodes."""
NODE = struct.Struct("=HHHH")
"""Node of a leaf: value size (low, high), flags, key size."""
CHILD = struct.Struct("=IHH")
"""Node of a branch: page number (low, high), key size."""
RECORD = struct.Struct("=II 16x I44x IHH32xQ QQ")
"""Meta page: magic number, version, page size, main database (padding, flags, depth, root), last page,
transaction number."""

MAX_DEPTH = 32
"""Pages from the root to a key; the library's own limit."""
MAX_CACHED = 2048
"""Branch pages to keep; a million keys need a few hundred."""
MAX_VALUE = 256 * 2**20
"""Bytes of a value. No image is larger; a damaged size can be anything."""


class Page(NamedTuple):
    """A page of the tree."""

    data: bytes
    kind: int
    nodes: tuple[int, ...]
    """Offsets of the nodes, in the order of their keys."""

    def key(self, node: int) -> bytes:
        """Return the key of a node."""
        start, size = node + NODE.size, NODE.unpack_from(self.data, node)[3]
        key = self.data[start : start + size]
        if len(key) < size:
            raise ValueError("a key is cut off")
        return key


class Entry(NamedTuple):
    """A key, and the node that has its value."""

    key: bytes
    page: Page
    node: int


class Tree:
    """An open LMDB file. Every method raises ValueError, with the reason, where the file is damaged."""

    def __init__(self, path: Path) -> None:
        """Open a file.

        Raises:
            OSError: The file cannot be read.
            ValueError: It is not an LMDB file, is truncated, or has unsupported keys.
        """
        self._branches: dict[int, Page] = {}
        self._file = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._file)
        size = os.fstat(self._file).st_size
        if not size:
            raise ValueError("it is empty")
        self._page_size = self._meta(0)[2]
        if not 256 <= self._page_size <= 1 << 15 or self._page_size & (self._page_size - 1):
            raise ValueError("it is not an LMDB file, or its header is damaged")
        # The library writes the two meta pages in turn; the later transaction counts.
        metas = self._meta(0), self._meta(self._page_size)
        *_, flags, _, self._root, self._last, _ = max(metas, key=lambda meta: meta[-1])
        expected = (self._last + 1) * self._page_size
        if size < expected:
            raise ValueError(f"it is truncated: {size:,} of {expected:,} bytes are there")
        if flags:
            raise ValueError("its keys have several values each, or a custom order")

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None if there is none."""
        found = next(self.entries(key), None)
        return self.value(found) if found and found.key == key else None

    def entries(self, start: bytes) -> Iterator[Entry]:
        """Yield the entries in the order of their keys, from `start` on."""
        last = b""
        for entry in self._below(self._root, start, MAX_DEPTH) if self._root != NO_ROOT else ():
            if entry.key <= last:  # also ends the walk where a damaged page points back to itself
                raise ValueError("its keys are not in order")
            last = entry.key
            yield entry

    def value(self, entry: Entry) -> bytes:
        """Return the value of an entry."""
        low, high, flags, key_size = NODE.unpack_from(entry.page.data, entry.node)
        size, start = low | high << 16, entry.node + NODE.size + key_size
        if size > MAX_VALUE:
            raise ValueError(f"a value has {size:,} bytes")
        if flags not in (0, BIG_DATA):
            raise ValueError("a key has no single value")
        if flags:
            (number,) = struct.unpack("=Q", self._slice(entry.page.data, start, 8))
            return self._read(number, OVERFLOW, HEADER.size + size)[HEADER.size :]
        return self._slice(entry.page.data, start, size)

    def _below(self, number: int, start: bytes, depth: int) -> Iterator[Entry]:
        """Yield the entries of a page and its descendants, from `start` on."""
        page = self._page(number)
        if page.kind == LEAF:
            first = bisect_left(page.nodes, start, key=page.key)
            yield from (Entry(page.key(node), page, node) for node in page.nodes[first:])
            return
        if not depth:
            raise ValueError("its tree is too deep: a page points back to one above it")
        # The first node of a branch stores no key; it stands for all lower keys.
        first = bisect_right(page.nodes, start, lo=1, key=page.key) - 1
        for node in page.nodes[first:]:
            low, high, _ = CHILD.unpack_from(page.data, node)
            yield from self._below(low | high << 32, start, depth - 1)

    def _page(self, number: int) -> Page:
        """Return a page of the tree. Branch pages are cached: there are few, and each search needs them."""
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
        if kind == BRANCH and len(self._branches) < MAX_CACHED:
            self._branches[number] = page
        return page

    def _read(self, number: int, kinds: int, size: int) -> bytes:
        """Return `size` bytes from the start of a page, which must be of one of these kinds."""
        if not (number > 1 and (number * self._page_size) + size <= (self._last + 1) * self._page_size):
            raise ValueError(f"it points to page {number}, which does not exist")
        data = os.pread(self._file, size, number * self._page_size)
        if len(data) < size:
            raise ValueError(f"page {number} is cut off")
        own, _, kind, *_ = HEADER.unpack_from(data)
        if own != number or kind not in (BRANCH, LEAF, OVERFLOW) or not kind & kinds:
            raise ValueError(f"page {number} is damaged")
        return data

    def _meta(self, offset: int) -> tuple[int, ...]:
        data = os.pread(self._file, HEADER.size + RECORD.size, offset)
        if len(data) < HEADER.size + RECORD.size:
            raise ValueError("it is truncated")
        meta = RECORD.unpack_from(data, HEADER.size)
        if meta[0] != MAGIC or not HEADER.unpack_from(data)[2] & META:
            raise ValueError("it is not an LMDB file, or its header is damaged")
        if meta[1] != VERSION:
            raise ValueError(f"it has LMDB data version {meta[1]}; version {VERSION} is supported")
        return meta

    @staticmethod
    def _slice(data: bytes, start: int, size: int) -> bytes:
        if start + size > len(data):
            raise ValueError("a value is cut off")
        return data[start : start + size]
