"""Geometric transforms of text images that lose no pixel: the canvas grows, and its border is replicated."""

from __future__ import annotations

import cv2
import numpy as np

from ocr_trainer.data.geometry import shifting, warp
from ocr_trainer.data.types import Image
from ocr_trainer_runtime.geometry import Homography, apply, corners, extent

MOST_RISE = 0.5
"""How far one end of a text may rise above the other, as a share of its height. The canvas grows by the
rise, and the text shrinks when the canvas is resized to the model's height."""


def outline(size: tuple[int, int]) -> np.ndarray:
    """Return the outer corners of an image of a height and width, (4, 2); pixel centers are integers."""
    return corners(size[1], size[0]) - 0.5


def canvas(
    size: tuple[int, int], matrix: Homography, borders: np.ndarray | None = None
) -> tuple[Homography, tuple[int, int]]:
    """Return the smallest canvas that contains all of a transformed image.

    Args:
        size: Height and width of the image, in pixels.
        matrix: Maps pixels of the image to pixels of the plane that the canvas is cut from.
        borders: (2, 2), in pixels: how far to move the canvas's left and top, and its right and bottom.

    Returns:
        The matrix to pixels of the canvas, and the height and width of the canvas.
    """
    reach = extent(apply(matrix, outline(size)))
    if borders is not None:
        reach = reach + borders
    width, height = np.maximum(np.ceil(reach[1] - reach[0] - 1e-6), 1).astype(int).tolist()
    return shifting(-0.5 - reach[0]) @ matrix, (height, width)


def carry(image: Image, matrix: Homography, borders: np.ndarray | None = None) -> Image:
    """Warp an image, uint8, (height, width, 3), to its `canvas`."""
    matrix, (height, width) = canvas(size_of(image), matrix, borders)
    return warp(image, matrix, width, height, cv2.BORDER_REPLICATE)


def size_of(image: Image) -> tuple[int, int]:
    """Return height and width of an image, in pixels."""
    return image.shape[0], image.shape[1]


def gentle(size: tuple[int, int], slope: float) -> float:
    """Clip a slope, height over width, so that the ends of a text rise by at most `MOST_RISE`."""
    most = MOST_RISE * size[0] / size[1]
    return float(np.clip(slope, -most, most))


def slanting(x: float, y: float) -> Homography:
    """Return a shear: `x` moves a point right by `x` times its distance above row 0, `y` down per column."""
    return np.array([[1, -x, 0], [y, 1, 0], [0, 0, 1]])


def rotating(size: tuple[int, int], angle: float) -> Homography:
    """Return a rotation by degrees, counterclockwise; less if the ends of a long text would rise too far."""
    angle = np.arctan(gentle(size, np.tan(np.radians(angle))))
    return np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
