"""Where pixels go: maps of the plane as 3 x 3 matrices, for images and points alike.

A point (x, y) is the center of the pixel in column x and row y, as in OpenCV, so that an image of
`width` columns reaches from -0.5 to width - 0.5, and resizing by f maps x to f (x + 0.5) - 0.5.
"""

from __future__ import annotations

import cv2
import numpy as np

from ocr_trainer.data.types import Image, Polygon

Homography = np.ndarray
"""float64, (3, 3): multiplied with (x, y, 1), then divided by the third. Straight lines stay straight."""

UNIT_SQUARE = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=np.float64)


def resize(image: Image, height: int, width: int) -> Image:
    """Resize to a size, averaging over area where that makes the image smaller."""
    smaller = height * width < image.shape[0] * image.shape[1]
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)


def resize_points(polygons: list[Polygon], fx: float, fy: float) -> list[Polygon]:
    """Move polygons as `resize` moves pixels; with 1 / fx and 1 / fy, back."""
    factor = np.array([fx, fy], dtype=np.float32)
    return [((polygon + 0.5) * factor - 0.5).astype(np.float32) for polygon in polygons]


def apply(matrix: Homography, points: np.ndarray) -> np.ndarray:
    """Map points, (points, 2), to float64."""
    return (points @ matrix[:2, :2].T + matrix[:2, 2]) / (points @ matrix[2, :2] + matrix[2, 2])[:, None]


def apply_all(matrix: Homography, polygons: list[Polygon]) -> list[np.ndarray]:
    """Map polygons, each (points, 2), to float64."""
    if not polygons:
        return []
    # All at once: a page has hundreds.
    ends = np.cumsum([len(polygon) for polygon in polygons])
    return np.split(apply(matrix, np.concatenate(polygons)), ends[:-1])


def warp(
    image: Image, matrix: Homography, width: int, height: int, border: int = cv2.BORDER_CONSTANT
) -> Image:
    """Carry an image to another of that size; where it does not reach is black, or as OpenCV's `border`."""
    if np.array_equal(matrix[2], (0, 0, 1)):
        return cv2.warpAffine(image, matrix[:2], (width, height), flags=cv2.INTER_LINEAR, borderMode=border)
    return cv2.warpPerspective(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=border)


def scaling(fx: float, fy: float, left: float = 0.0, top: float = 0.0) -> Homography:
    """Magnify so that the point (left, top) comes to the outer corner of the first pixel, (-0.5, -0.5)."""
    return np.array([[fx, 0, -fx * left - 0.5], [0, fy, -fy * top - 0.5], [0, 0, 1]])


def resizing(fx: float, fy: float) -> Homography:
    """Do as `resize` does."""
    return scaling(fx, fy, -0.5, -0.5)


def shifting(offset: np.ndarray) -> Homography:
    """Add an offset, (2,)."""
    matrix = np.eye(3)
    matrix[:2, 2] = offset
    return matrix


def turning(width: int, height: int, angle: float, factor: float) -> Homography:
    """Rotate by degrees, counter-clockwise, and magnify, about the middle of an image."""
    affine = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, factor)
    return np.vstack([affine, [0, 0, 1]])


def mirroring(width: int) -> Homography:
    """Swap left and right of an image."""
    return np.array([[-1.0, 0, width - 1], [0, 1, 0], [0, 0, 1]])


def tilting(points: np.ndarray, moves: np.ndarray) -> Homography:
    """Move the corners of the box around points, as if it were seen from elsewhere.

    Args:
        points: (points, 2), whatever is to be mapped. No such point comes to lie on or behind the
            horizon: while corners move by less than a quarter of the box, it stays convex.
        moves: (4, 2), of the corners from the top left clockwise, as shares of the box's sides.
    """
    low, high = extent(points)
    box = np.vstack([np.column_stack([np.diag(high - low), low]), [0, 0, 1]])
    corners = UNIT_SQUARE.astype(np.float32), (UNIT_SQUARE + moves).astype(np.float32)
    return box @ cv2.getPerspectiveTransform(*corners) @ np.linalg.inv(box)


def corners(width: int, height: int) -> np.ndarray:
    """Return (0, 0), (width, 0), (width, height) and (0, height)."""
    return UNIT_SQUARE * (width, height)


def extent(points: np.ndarray) -> np.ndarray:
    """Return the box around points: [[left, top], [right, bottom]]."""
    return np.stack([points.min(axis=0), points.max(axis=0)])
