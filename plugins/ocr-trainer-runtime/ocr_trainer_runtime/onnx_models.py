"""Exported detectors and recognizers, as the pipeline uses them: onnxruntime and the metadata."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from ocr_trainer_runtime.detection.db import decode_map
from ocr_trainer_runtime.detection.fit import scale_of
from ocr_trainer_runtime.errors import ModelError
from ocr_trainer_runtime.metadata import LARGEST
from ocr_trainer_runtime.onnx_file import OnnxFile
from ocr_trainer_runtime.options import Limits, Shape, Side, Tiles, Unclip
from ocr_trainer_runtime.recognition.ctc import read_beams, read_paths
from ocr_trainer_runtime.recognition.fit import fixed_size, proportional_size
from ocr_trainer_runtime.recognition.positions import END, read_positions
from ocr_trainer_runtime.types import Detections, Recognition

BATCH_SIZE = 4
"""The number of texts to recognize at once. On a CPU, more would cost memory, and time for padding."""
TINY = 1e-38
"""Smallest probability before the logarithm."""
MAX_SIZE = 1 << 14
"""Largest side that pages, and widths that texts, are enlarged to, in pixels; more would fill the memory."""
MAX_HEIGHT = 1024
"""Largest height of texts, in pixels."""


@dataclass(frozen=True)
class Sides:
    """How a detector resizes pages."""

    side: Side
    size: Annotated[int, Limits(1, MAX_SIZE)]
    max_side: Annotated[int, Limits(1, LARGEST)]


@dataclass(frozen=True)
class Decoding:
    """How the maps of a detector are decoded."""

    shape: Shape
    binarize_threshold: Annotated[float, Limits(0, 1)]
    box_threshold: Annotated[float, Limits(0, 1)]
    max_candidates: Annotated[int, Limits(1, LARGEST)]
    min_side: float
    shrink_ratio: Annotated[float, Limits(0, 1)]
    unclip: Unclip
    unclip_ratio: float | None


@dataclass(frozen=True)
class Proportional:
    """How a recognizer with a fixed height resizes texts."""

    height: Annotated[int, Limits(1, MAX_HEIGHT)]
    min_width: Annotated[int, Limits(1, MAX_SIZE)]
    max_width: Annotated[int, Limits(1, LARGEST)]


@dataclass(frozen=True)
class Fixed:
    """How a recognizer with a fixed size resizes texts."""

    height: Annotated[int, Limits(1, MAX_HEIGHT)]
    width: Annotated[int, Limits(1, MAX_SIZE)]
    keep_ratio: bool


@dataclass(frozen=True)
class Beam:
    """How the steps of a recognizer are decoded."""

    beam: Annotated[int, Limits(1, 1000)]


class OnnxDetector:
    """A detector whose output is a map of the kernels of texts.

    Raises:
        ModelError: The metadata lacks an entry, or has one that this version does not know.
    """

    def __init__(self, file: OnnxFile) -> None:
        metadata = file.metadata
        self.file = file
        self.stride = metadata.stride
        self.sides = metadata.read(Sides, "preprocessing")
        self.decoding = metadata.read(Decoding, "postprocessing")
        self.tiles = metadata.read(Tiles, "tiles") if metadata.section("tiles") else Tiles()
        self.least = None if (least := metadata.number("least_height")) is None else int(least)

    def scale(self, height: int, width: int) -> float:
        """Return the factor to resize an image by."""
        return scale_of(height, width, self.sides)

    def find_texts(self, images: np.ndarray, sizes: list[tuple[int, int]]) -> list[Detections]:
        """Return the detections in images; see `pipeline.Finder`."""
        maps = self.file.run(images=images)["probabilities"]
        maps = maps.reshape(len(sizes), *maps.shape[-2:])
        return [decode_map(map_, size, self.decoding) for map_, size in zip(maps, sizes, strict=True)]


class OnnxRecognizer:
    """A recognizer whose output is the probability of each character, per step or per position.

    Raises:
        ModelError: The metadata lacks an entry, or has one that this version does not know.
    """

    def __init__(self, file: OnnxFile) -> None:
        metadata = file.metadata
        self.file = file
        self.stride = metadata.stride
        self.charset = metadata.charset
        if file.classes != 1 + len(self.charset):
            counts = f"{file.classes} classes, but its charset has {len(self.charset)} characters"
            raise ModelError(f"'{metadata.path}' has {counts}")
        self._rule: Fixed | Proportional
        if "width" in metadata.section("preprocessing"):
            self._rule = metadata.read(Fixed, "preprocessing")
        else:
            self._rule = metadata.read(Proportional, "preprocessing")
        self._steps = metadata.kind == "ctc"
        self.beam = metadata.read(Beam, "postprocessing").beam if self._steps else 1

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Return the height and width that an image is resized to."""
        if isinstance(self._rule, Fixed):
            return fixed_size(height, width, self._rule, self.stride)
        return proportional_size(height, width, self._rule)

    def read_texts(self, images: np.ndarray, widths: np.ndarray) -> list[Recognition]:
        """Return the recognized texts of images; see `pipeline.Recognizes`."""
        outputs = self.file.run(images=images, widths=widths)
        found = outputs["probabilities"]
        if not self._steps:
            return read_positions(found.argmax(-1), found.max(-1), found[..., END], self.charset)
        steps = outputs["steps"].tolist()
        if self.beam > 1:
            return read_beams(np.log(np.maximum(found, TINY)), steps, self.charset, self.beam)
        classes = found.argmax(-1)
        best = np.take_along_axis(found, classes[..., None], -1)[..., 0]
        return read_paths(classes, np.log(np.maximum(best, TINY)), steps, self.charset)
