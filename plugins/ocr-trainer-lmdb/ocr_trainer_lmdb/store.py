"""An LMDB of images and texts: `num-samples`, and from 1 on `image-000000001` and `label-000000001`.

This is the layout of clovaai/deep-text-recognition-benchmark, in which MJSynth, SynthText, Union14M and the
six benchmarks are distributed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ocr_trainer.data.types import TextImage
from ocr_trainer.errors import DataError
from ocr_trainer.plugin import SkippedItem
from ocr_trainer_lmdb.tree import Entry, Tree
from ocr_trainer_runtime.images.read import decode_image

DATA = "data.mdb"
COUNT = "num-samples"


class Store:
    """One LMDB. Each process opens the file when it first reads it; a pickled copy starts closed.

    Attributes:
        count: The number of samples.
        more: The key of an image after the last sample, if there is one.

    Raises:
        DataError: If the file cannot be read, is truncated, or lacks the samples that it claims.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder.resolve())
        self._tree: Tree | None = None
        try:
            self.count = self._count()
            key = f"image-{self.count + 1:09}"
            self.more = key if self._get(key) is not None else None
        except (OSError, ValueError) as fault:
            reason = getattr(fault, "strerror", None) or fault
            raise DataError(f"cannot read '{self.folder}/{DATA}': {reason}") from fault

    def __len__(self) -> int:
        return self.count

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_tree": None}

    def sample(self, index: int) -> TextImage:
        """Return the image and the text at an index, from 0.

        Raises:
            DataError: If one of them is missing or cannot be read. The message names the key.
        """
        text = self.text(index)
        key, name = f"image-{index + 1:09}", self.name(index)
        notes: list[str] = []
        image = decode_image(self._value(key), name, notes)
        return TextImage(image, text, name, [SkippedItem("remark", name, None, note) for note in notes])

    def name(self, index: int) -> str:
        """Return the name of the image at an index, from 0: the folder and the key."""
        return f"{self.folder}: image-{index + 1:09}"

    def text(self, index: int) -> str:
        """Return the text at an index, from 0.

        Raises:
            DataError: If it is missing, empty or not UTF-8. The message names the key.
        """
        key = f"label-{index + 1:09}"
        return self._text(key, self._value(key))

    def texts(self, indices: Iterator[int]) -> Iterator[str]:
        """Yield the text at each index; an empty string where it cannot be read."""
        following: Iterator[Entry] = iter(())
        for index in indices:
            key = b"label-%09d" % (index + 1)
            try:
                entry = next(following, None)  # usually the next key: no search from the root
                if entry is None or entry.key != key:
                    following = self._opened().entries(key)
                    entry = next(following, None)
                if entry is None or entry.key != key:
                    yield ""
                else:
                    yield self._text(key.decode(), self._opened().value(entry))
            except (DataError, OSError, ValueError):
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
            value = self._opened().get(key.encode())
        except (OSError, ValueError) as fault:
            raise DataError(f"cannot read '{self.folder}: {key}': {fault}") from fault
        if value is None:
            raise DataError(f"'{self.folder}' has no {key}")
        return value

    def _get(self, key: str) -> bytes | None:
        return self._opened().get(key.encode())

    def _opened(self) -> Tree:
        if self._tree is None:
            self._tree = Tree(Path(self.folder, DATA))
        return self._tree

    def _count(self) -> int:
        """Return `num-samples`, after checking that the first and the last sample exist."""
        value = self._get(COUNT)
        if value is None:
            raise DataError(
                f"'{self.folder}' has no {COUNT}: it is not an LMDB of images and texts"
                " (num-samples, image-000000001, label-000000001, …)"
            )
        if not value.isdigit() or len(value) > 9:
            raise DataError(f"'{self.folder}': {COUNT} is not a number: {value[:20]!r}")
        count = int(value)
        for kind in ("image", "label"):
            if count and self._get(f"{kind}-{1:09}") is None:
                raise DataError(f"'{self.folder}' has no {kind}s: {kind}-{1:09} is missing")
            if count and self._get(f"{kind}-{count:09}") is None:
                raise DataError(
                    f"'{self.folder}': {COUNT} says {count:,}, but {kind}-{count:09} is missing:"
                    " the file was not written completely, or the number is wrong"
                )
        return count
