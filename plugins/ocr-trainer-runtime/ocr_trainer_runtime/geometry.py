"""Geometry of the image plane: points and the pixels they mean.

A point (x, y) is the center of the pixel in column x and row y, as in OpenCV. An image of `width`
columns therefore spans -0.5 to width - 0.5, and resizing by f maps x to f (x + 0.5) - 0.5.
"""

from __future__ import annotations

import numpy as np

from ocr_trainer_runtime.types import Image, Polygon

Homography = np.ndarray
"""float64 of shape (3, 3): multiply with (x, y, 1) and divide by the third component. Lines stay straight."""

UNIT_SQUARE = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=np.float64)
MIN_AREA = 0.01
"""In square pixels. A smaller outline is a point or a line."""


def resize(image: Image, height: int, width: int) -> Image:
    """Resize an image to `height` x `width` pixels.

    Area averaging where the image shrinks, bilinear interpolation where it grows.

    Args:
        image: uint8 of shape (h, w, 3).
        height: New height in pixels.
        width: New width in pixels.

    Returns:
        uint8 of shape (height, width, 3).
    """
    import cv2

    smaller = height * width < image.shape[0] * image.shape[1]
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)


def resize_points(polygons: list[Polygon], fx: float, fy: float) -> list[Polygon]:
    """Scale polygons as `resize` scales pixels. Pass 1 / fx and 1 / fy to map them back.

    Args:
        polygons: Each (points, 2), in pixels.
        fx: New width divided by old width.
        fy: New height divided by old height.

    Returns:
        float32 polygons of the same shapes.
    """
    factor = np.array([fx, fy], dtype=np.float32)
    return [((polygon + 0.5) * factor - 0.5).astype(np.float32) for polygon in polygons]


def apply(matrix: Homography, points: np.ndarray) -> np.ndarray:
    """Map points of shape (points, 2) and return float64 points of the same shape."""
    scale = (points @ matrix[2, :2] + matrix[2, 2])[:, None]
    mapped: np.ndarray = (points @ matrix[:2, :2].T + matrix[:2, 2]) / scale
    return mapped


def corners(width: int, height: int) -> np.ndarray:
    """Return (0, 0), (width, 0), (width, height) and (0, height) as float64 of shape (4, 2)."""
    return UNIT_SQUARE * (width, height)


def extent(points: np.ndarray) -> np.ndarray:
    """Return the bounding box of points: [[left, top], [right, bottom]], shape (2, 2)."""
    return np.stack([points.min(axis=0), points.max(axis=0)])
