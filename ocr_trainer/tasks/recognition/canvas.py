"""Moving the image of a text without losing any of it: the canvas grows, and its border is repeated."""

from __future__ import annotations

import cv2
import numpy as np

from ocr_trainer.data.geometry import Homography, apply, corners, extent, shifting, warp
from ocr_trainer.data.types import Image

MOST_RISE = 0.5
"""How far one end of a text may come to lie above the other, as a share of its height: the canvas grows
by as much, and the text is scaled down with it."""


def outline(image: Image) -> np.ndarray:
    """Return the outer corners of an image, (4, 2)."""
    return corners(image.shape[1], image.shape[0]) - 0.5


def carry(image: Image, matrix: Homography, borders: np.ndarray | None = None) -> Image:
    """Map an image to a canvas that holds all of it.

    Args:
        image: The image.
        matrix: Where its pixels go.
        borders: (2, 2), by how many pixels left and top, right and bottom of the canvas move.
    """
    reach = extent(apply(matrix, outline(image)))
    if borders is not None:
        reach = reach + borders
    width, height = np.maximum(np.ceil(reach[1] - reach[0] - 1e-6), 1).astype(int).tolist()
    return warp(image, shifting(-0.5 - reach[0]) @ matrix, width, height, cv2.BORDER_REPLICATE)


def gentle(image: Image, slope: float) -> float:
    """Return a slope, height by width, at which the ends of a text do not rise too far."""
    most = MOST_RISE * image.shape[0] / image.shape[1]
    return float(np.clip(slope, -most, most))


def slanting(x: float, y: float) -> Homography:
    """Move each point to the right by `x` times its height on the page, and down by `y` times its column."""
    return np.array([[1, -x, 0], [y, 1, 0], [0, 0, 1]])


def rotating(image: Image, angle: float) -> Homography:
    """Rotate by degrees, counter-clockwise; by less where the ends of a long text would rise too far."""
    angle = np.arctan(gentle(image, np.tan(np.radians(angle))))
    return np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
