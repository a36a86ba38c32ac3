"""An LMDB of images and texts: `num-samples`, and from 1 on `image-000000001` and `label-000000001`.

The form of clovaai/deep-text-recognition-benchmark, in which MJSynth, SynthText, Union14M and the six
benchmarks are handed round.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from weakref import WeakValueDictionary

import lmdb

from ocr_trainer.errors import DataError
from ocr_trainer.formats.images import decode_image
from ocr_trainer.training.samples import TextImage

DATA = "data.mdb"
COUNT = "num-samples"
VALUE_LIMIT = 256 * 2**20
"""Bytes; no image is larger, and a damaged length may say anything."""


class _Opened:
    """A file that this process has opened; a library's rule is that it does so once."""

    def __init__(self, folder: str) -> None:
        self.process = os.getpid()
        self.environment = lmdb.open(
            folder, readonly=True, create=False, lock=False, readahead=False, max_spare_txns=2
        )


_OPENED: WeakValueDictionary[str, _Opened] = WeakValueDictionary()
"""What is in use, by its folder."""


class Store:
    """One LMDB. It is opened by each process that reads it, when it first does; a copy begins closed.

    `count` is how many samples it has, and `more` the key of one behind the last, if there is one.

    Raises:
        DataError: If it cannot be read, is truncated, or does not hold what it says.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder.resolve())
        self._opened: _Opened | None = None
        try:
            self._check_size()
            self.count = self._count()
            key = f"image-{self.count + 1:09}"
            self.more = key if self._get(key) is not None else None
        except (OSError, lmdb.Error) as fault:
            raise DataError(f"cannot read '{self.folder}/{DATA}': {_words(fault)}") from fault
        finally:
            self._opened = None  # what is forked or pickled now has nothing open

    def __len__(self) -> int:
        return self.count

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_opened": None}

    def sample(self, index: int) -> TextImage:
        """Return the image and the text of an index, from 0.

        Raises:
            DataError: If one of them is missing or cannot be read; names the key.
        """
        text = self.text(index)
        key, name = f"image-{index + 1:09}", self.name(index)
        return TextImage(decode_image(self._value(key), name), text, name)

    def name(self, index: int) -> str:
        """Return what messages call the image of an index, from 0: the folder and its key."""
        return f"{self.folder}: image-{index + 1:09}"

    def text(self, index: int) -> str:
        """Return the text of an index, from 0.

        Raises:
            DataError: If it is missing, empty or not UTF-8; names the key.
        """
        key = f"label-{index + 1:09}"
        return self._text(key, self._value(key))

    def texts(self, indices: Iterator[int]) -> Iterator[str]:
        """Yield the texts of many indices in a single view of the file; nothing where one cannot be read."""
        with self._environment().begin(buffers=True) as view, view.cursor() as cursor:
            for index in indices:
                key = b"label-%09d" % (index + 1)
                there = cursor.next() and cursor.key() == key  # they follow one another, as a rule
                try:
                    found = there or cursor.set_key(key)
                    yield self._text(key.decode(), bytes(cursor.value())) if found else ""
                except (DataError, lmdb.Error):
                    yield ""

    def _text(self, key: str, value: bytes) -> str:
        try:
            text = value.decode("utf-8")
        except UnicodeDecodeError as fault:
            byte = f"0x{value[fault.start]:02x}"
            raise DataError(f"'{self.folder}: {key}' is not UTF-8: byte {byte}") from fault
        if not text.strip():
            raise DataError(f"'{self.folder}: {key}': the text is empty")
        return text

    def _value(self, key: str) -> bytes:
        try:
            value = self._get(key)
        except lmdb.Error as fault:
            raise DataError(f"cannot read '{self.folder}: {key}': {_words(fault)}") from fault
        if value is None:
            raise DataError(f"'{self.folder}' has no {key}")
        return value

    def _get(self, key: str) -> bytes | None:
        with self._environment().begin(buffers=True) as view:
            value = view.get(key.encode())
            if value is not None and len(value) > VALUE_LIMIT:
                raise lmdb.CorruptedError(f"it has {len(value):,} bytes")
            return None if value is None else bytes(value)

    def _environment(self) -> lmdb.Environment:
        if self._opened is None or self._opened.process != os.getpid():
            opened = _OPENED.get(self.folder)
            if opened and opened.process != os.getpid():
                opened.environment.close()  # the copy of it that came with the fork
                opened = None
            self._opened = _OPENED[self.folder] = opened or _Opened(self.folder)
        return self._opened.environment

    def _check_size(self) -> None:
        """Refuse a truncated file: a look at what is missing would end the process (SIGBUS)."""
        there = Path(self.folder, DATA).stat().st_size
        if not there:
            raise DataError(f"'{self.folder}/{DATA}' is empty")
        environment = self._environment()
        promised = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
        if there < promised:
            raise DataError(f"'{self.folder}/{DATA}' is truncated: {there:,} of {promised:,} bytes are there")

    def _count(self) -> int:
        """Return `num-samples`; the first and the last sample must be there."""
        value = self._get(COUNT)
        if value is None:
            raise DataError(
                f"'{self.folder}' has no {COUNT}: it is no LMDB of images and texts"
                " (num-samples, image-000000001, label-000000001, …)"
            )
        if not value.isdigit() or len(value) > 9:
            raise DataError(f"'{self.folder}': {COUNT} is no number: {value[:20]!r}")
        count = int(value)
        for kind in ("image", "label"):
            if count and self._get(f"{kind}-{1:09}") is None:
                raise DataError(f"'{self.folder}' has no {kind}s: {kind}-{1:09} is missing")
            if count and self._get(f"{kind}-{count:09}") is None:
                raise DataError(
                    f"'{self.folder}': {COUNT} says {count:,}, but {kind}-{count:09} is missing:"
                    " it was not written to its end, or the number is wrong"
                )
        return count


def _words(fault: OSError | lmdb.Error) -> str:
    """Return an error without number and path."""
    return getattr(fault, "strerror", None) or str(fault).rpartition(": ")[2] or type(fault).__name__
