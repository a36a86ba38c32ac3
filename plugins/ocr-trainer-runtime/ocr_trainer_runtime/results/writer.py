"""`Writer`, the base class of the formats of result files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from ocr_trainer_runtime.images.read import png
from ocr_trainer_runtime.types import Image

if TYPE_CHECKING:
    from ocr_trainer_runtime.results.page import Page

EXIF_ORIENTATION = "applied"
"""What the polygons of a page refer to: the image as viewers show it. Result files say so by this word."""

PRODUCER = f"ocr-trainer {version('ocr-trainer-runtime')}"
"""Name and version of this program, for formats that record what made them."""


class Writer(ABC):
    """Writes the results of one image at a time; what the factory of a writer plugin returns.

    Args:
        config: The options of the format.
        context: What ocr-trainer passes to every factory; `folder` is that of the result files.
    """

    def __init__(self, config: Any, context: Any = None) -> None:
        self.config = config

    @abstractmethod
    def write(self, page: Page, image: Image) -> str | bytes | Image:
        """Return the content of the result file of one image.

        Args:
            page: The results. Do not modify them: other writers get the same page.
            image: The image, uint8 of shape (height, width, 3), RGB; read-only.

        Returns:
            Text, which is written as UTF-8; or bytes; or an image of the same form, which is written as PNG.
        """

    def join(self, files: Mapping[str, Path], joined: BinaryIO) -> None:
        """Write the file of a document or of a run; only for formats whose `file_per` is not the image.

        Args:
            files: By the name of each image or page without suffix, in their order, a file of what `write`
                returned for it. At least one. Do not change or keep these files.
            joined: The file to write, open for reading and writing, and empty.

        Raises:
            OSError: The file cannot be written.
        """
        raise NotImplementedError(f"{type(self).__name__} has no method `join`")


def encode(content: object) -> bytes:
    """Return what a writer returned as the content of a file.

    Raises:
        TypeError: It is neither text nor bytes nor an image.
        UnicodeEncodeError: The text has surrogates, which UTF-8 cannot encode.
    """
    if isinstance(content, str):
        return content.encode("utf-8")
    if isinstance(content, bytes):
        return content
    if not isinstance(content, np.ndarray):
        raise TypeError(f"it returns a {type(content).__name__}, but must return str, bytes or an image")
    if content.dtype != np.uint8 or content.ndim != 3 or content.shape[2] != 3 or not content.size:
        raise TypeError(
            f"it returns an array of {content.dtype} of shape {content.shape}; an image is an array of uint8"
            " of shape (height, width, 3)"
        )
    return png(content)
