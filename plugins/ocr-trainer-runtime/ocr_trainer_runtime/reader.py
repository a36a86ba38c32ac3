"""Reads images with exported models."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from ocr_trainer_dbnet.decode import decode_map

from ocr_trainer.data.documents import pages_of
from ocr_trainer.data.geometry import corners, resize, resize_points
from ocr_trainer.data.inputs import GivenImage
from ocr_trainer.data.pdf import DPI, check_dpi
from ocr_trainer.data.types import Detections, Image, Recognition
from ocr_trainer.formats.rectify import cut
from ocr_trainer.plugin.options import Shape, Unclip
from ocr_trainer.results.page import Page, page_of
from ocr_trainer.text.bidi import logical_order
from ocr_trainer_runtime.errors import DataError
from ocr_trainer_runtime.onnx_file import OnnxFile

Source = str | os.PathLike[str] | bytes | np.ndarray
EMPTY = Recognition("", np.zeros(0, dtype=np.float32), 0.0)


class Reader:
    """A detector, a recognizer or both, ready to read images. Threads can share it."""

    def __init__(self, detector: OnnxFile | None, recognizer: OnnxFile | None, margin: float | None) -> None:
        self._detector, self._recognizer, self._margin = detector, recognizer, margin or 0.0

    @property
    def finds(self) -> bool:
        """Whether it finds words, with a detector."""
        return self._detector is not None

    @property
    def reads(self) -> bool:
        """Whether it reads words, with a recognizer."""
        return self._recognizer is not None

    def predict(self, source: Source) -> Page:
        """Return the page of an image.

        Raises:
            DataError: The image cannot be read.
        """
        given = GivenImage(source, "the image")
        if pages_of(given) is not None:
            raise DataError(f"{given.label} is a document of pages: read it with predict_pages")
        return self._page(given)

    def predict_pages(self, source: Source, dpi: float = DPI) -> Iterator[Page]:
        """Yield the pages of a PDF or TIFF, or that of an image.

        Raises:
            DataError: The file cannot be read.
        """
        check_dpi(dpi, "dpi")
        given = GivenImage(source, "the image")
        pages = pages_of(given, dpi)
        return (self._page(page) for page in ([given] if pages is None else pages))

    def _page(self, given: GivenImage) -> Page:
        image = given.image()
        detections = self._find(image) if self._detector else _whole(image)
        readings = self._read(image, detections) if self._recognizer else None
        page = page_of(given.source, image.shape[:2], detections, readings)
        page.number, page.dpi = given.number, given.dpi
        page.load_image, page.load_file = given.image, given.content
        given.release()
        return page

    def _find(self, image: Image) -> Detections:
        assert self._detector is not None
        rules, stride = self._detector.metadata["preprocessing"], self._detector.metadata["input"]["stride"]
        height, width = image.shape[:2]
        factors = {
            "short": rules["size"] / min(height, width),
            "long": rules["size"] / max(height, width),
            "width": rules["size"] / width,
            "at_least": max(rules["size"] / min(height, width), 1.0),
            "none": 1.0,
        }
        scale = min(factors[rules["side"]], rules["max_side"] / max(height, width))
        size = max(1, round(height * scale)), max(1, round(width * scale))
        resized = resize(image, *size)
        padded = np.pad(resized, ((0, -size[0] % stride), (0, -size[1] % stride), (0, 0)))
        maps = self._detector.run(images=padded.transpose(2, 0, 1)[None].copy())[0]
        found = decode_map(maps.reshape(maps.shape[-2:]), size, self._decoding(self._detector))
        found.polygons = resize_points(found.polygons, width / size[1], height / size[0])
        return found

    def _decoding(self, detector: OnnxFile) -> Any:
        options = dict(detector.metadata["postprocessing"])
        options["shape"], options["unclip"] = Shape(options["shape"]), Unclip(options["unclip"])
        return SimpleNamespace(**options)

    def _read(self, image: Image, detections: Detections) -> list[Recognition]:
        return [self._word(image, polygon, detections) for polygon in detections.polygons]

    def _word(self, image: Image, polygon: np.ndarray, detections: Detections) -> Recognition:
        assert self._recognizer is not None
        try:
            crop = cut(image, polygon, self._margin, ordered=False)
        except ValueError as error:
            left, top = polygon.min(axis=0)
            detections.warnings.append(f"the text at {left:.0f}, {top:.0f} cannot be read: {error}")
            return EMPTY
        rules, stride = (
            self._recognizer.metadata["preprocessing"],
            self._recognizer.metadata["input"]["stride"],
        )
        rows = rules["height"]
        columns = round(crop.shape[1] * rows / crop.shape[0])
        columns = min(max(columns, rules["min_width"]), rules["max_width"])
        padded = np.pad(resize(crop, rows, columns), ((0, 0), (0, -columns % stride), (0, 0)))
        probabilities, steps = self._recognizer.run(
            images=padded.transpose(2, 0, 1)[None].copy(), widths=np.array([columns])
        )
        return _collapse(probabilities[0][: int(steps[0])], self._recognizer.metadata["charset"])


def _whole(image: Image) -> Detections:
    height, width = image.shape[:2]
    return Detections([corners(width, height).astype(np.float32)], np.ones(1, dtype=np.float32))


def _collapse(probabilities: np.ndarray, charset: str) -> Recognition:
    path = probabilities.argmax(1)
    kept: Sequence[int] = [
        step for step, class_ in enumerate(path) if class_ and (step == 0 or class_ != path[step - 1])
    ]
    text = "".join(charset[path[step] - 1] for step in kept)
    order = logical_order(text)
    scores = probabilities.max(1)
    confidences = scores[kept].astype(np.float32)
    return Recognition("".join(text[place] for place in order), confidences[order], float(scores.prod()))
