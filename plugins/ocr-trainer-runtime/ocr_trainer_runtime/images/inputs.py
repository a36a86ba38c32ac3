"""Images as callers have them: a path, the content of a file, a PIL image, an array."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from ocr_trainer_runtime.errors import DataError
from ocr_trainer_runtime.images import pillow
from ocr_trainer_runtime.images.alpha import on_white
from ocr_trainer_runtime.images.read import decode_image, read_image
from ocr_trainer_runtime.types import Image

if TYPE_CHECKING:
    from PIL.Image import Image as Opened

    Given = str | os.PathLike[str] | bytes | bytearray | memoryview | Opened | np.ndarray
    """An image as callers have it; see `GivenImage`."""

KINDS = "a path, the bytes of an image file, a PIL image, or a numpy array"


def is_stream(given: object) -> TypeGuard[Iterable[Any]]:
    """Return whether something that a caller gives is an iterable of images, not one image."""
    one = isinstance(given, str | os.PathLike | bytes | bytearray | memoryview | np.ndarray | Mapping)
    return isinstance(given, Iterable) and not (
        one or _is_pillow(given) or _is_tensor(given) or _is_file(given)
    )


class GivenImage:
    """An image that a caller gives. It is decoded when it is needed."""

    def __init__(self, given: Any, name: str) -> None:
        """Store the image.

        Args:
            given: See `KINDS`.
            name: Name for messages and results, if it is no path.
        """
        self.given = given
        self.source: Path | str = Path(given) if isinstance(given, str | os.PathLike) else name
        self.number: int | None = None
        """Number of the page in its document, from 1; None of an image."""
        self.dpi: float | None = None
        """Pixels per inch at which a page is rendered; None of an image."""
        self.notes: list[str] = []
        """What the user should know about an image that could be read."""
        self._image: Image | None = None

    @property
    def label(self) -> str:
        """Name for messages: the source, with the number of the page in its document."""
        return f"{self.source}" if self.number is None else f"{self.source} page {self.number}"

    def content(self) -> bytes | None:
        """Return the content of the image file; None of an image that is none.

        Raises:
            OSError: The file cannot be read any more.
        """
        if isinstance(self.source, Path):
            return self.source.read_bytes()
        given = self.given
        return bytes(given) if isinstance(given, bytes | bytearray | memoryview) else None

    def image(self) -> Image:
        """Return the image: uint8, (height, width, 3), RGB. Keep it until `release`.

        Raises:
            DataError: It cannot be read, or is nothing that could be an image.
        """
        if self._image is None:
            self._image = self._read()
        return self._image

    def release(self) -> None:
        """Let the decoded image go; it can be decoded again."""
        self._image = None

    def _read(self) -> Image:
        given = self.given
        self.notes.clear()
        if isinstance(self.source, Path):
            return read_image(self.source, self.notes)
        if isinstance(given, bytes | bytearray | memoryview):
            return decode_image(bytes(given), self.source, self.notes)
        try:
            if _is_pillow(given):
                return _from_pillow(given)
            if isinstance(given, np.ndarray):
                return _from_array(given)
            raise ValueError(f"it is {_kind(given)}; give {KINDS}{_advice(given)}")
        except pillow.BROKEN as error:
            raise DataError(f"{self.source} cannot be used: {error}") from error


def _from_pillow(image: Any) -> Image:
    """Convert a PIL image of any mode but those of more than 8 bits."""
    from PIL import ImageOps

    if image.mode[0] in "IF":
        raise ValueError(f"it is a PIL image of mode {image.mode}; convert it to 8 bits: image.convert('L')")
    if not (image.width and image.height):
        raise ValueError("it has no pixels")
    image = ImageOps.exif_transpose(image)
    return pillow.on_white(image) if image.has_transparency_data else np.array(image.convert("RGB"))


def _from_array(array: np.ndarray) -> Image:
    """Convert an array, gray, RGB or RGBA, to RGB; transparent pixels are put on white."""
    shape = array.shape
    if array.dtype != np.uint8:
        raise ValueError(
            f"it is an array of {array.dtype} and shape {shape}; give uint8, from 0 to 255\n"
            "  for values from 0 to 1: (255 * array).round().astype(np.uint8)"
        )
    if array.ndim not in (2, 3) or (array.ndim == 3 and shape[2] not in (1, 3, 4)):
        raise ValueError(
            f"it is an array of shape {shape}; give (height, width) for gray, (height, width, 3) for RGB "
            "or (height, width, 4) for RGBA; several images as a list"
        )
    if not array.size:
        raise ValueError(f"it has no pixels: shape {shape}")
    if array.ndim == 3 and shape[2] == 4:
        return on_white(array)
    if array.ndim == 3 and shape[2] == 3:
        return np.ascontiguousarray(array)
    return np.repeat(array.reshape(*shape[:2], 1), 3, axis=2)


def _advice(given: object) -> str:
    if _is_tensor(given):
        return (
            "\n  of a tensor (3, height, width) from 0 to 255: tensor.permute(1, 2, 0).byte().cpu().numpy()"
        )
    return "\n  of a file: its path, or its content with .read()" if _is_file(given) else ""


def _kind(given: object) -> str:
    """Return the type of an object with its article, as in `a torch.Tensor`."""
    kind = type(given)
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _is_pillow(given: object) -> bool:
    # Nobody has a PIL image without having imported it.
    return "PIL.Image" in sys.modules and isinstance(given, sys.modules["PIL.Image"].Image)


def _is_tensor(given: object) -> bool:
    return "torch" in sys.modules and isinstance(given, sys.modules["torch"].Tensor)


def _is_file(given: object) -> bool:
    return hasattr(given, "read")
