"""Geometry of the image plane: 3 x 3 matrices that map images and points alike.

A point (x, y) is the center of the pixel in column x and row y, as in OpenCV. An image of `width`
columns therefore spans -0.5 to width - 0.5, and resizing by f maps x to f (x + 0.5) - 0.5.
"""

from __future__ import annotations

import cv2
import numpy as np

from ocr_trainer.data.types import Image, Polygon
from ocr_trainer_runtime.geometry import UNIT_SQUARE, Homography, apply, extent
from ocr_trainer_runtime.geometry import resize as resize


def apply_all(matrix: Homography, polygons: list[Polygon]) -> list[np.ndarray]:
    """Map polygons, each of shape (points, 2), and return float64 polygons of the same shapes."""
    if not polygons:
        return []
    # One matrix product for all polygons: a page has hundreds.
    ends = np.cumsum([len(polygon) for polygon in polygons])
    return np.split(apply(matrix, np.concatenate(polygons)), ends[:-1])


def warp(
    image: Image, matrix: Homography, width: int, height: int, border: int = cv2.BORDER_CONSTANT
) -> Image:
    """Warp an image with a homography.

    Args:
        image: uint8 of shape (h, w, 3).
        matrix: Maps input pixels to output pixels, (3, 3).
        width: Output width in pixels.
        height: Output height in pixels.
        border: OpenCV border mode for pixels that the image does not cover; black by default.

    Returns:
        uint8 of shape (height, width, 3).
    """
    # An affine map needs no division per pixel, so OpenCV's affine path is faster.
    if np.array_equal(matrix[2], (0, 0, 1)):
        return cv2.warpAffine(image, matrix[:2], (width, height), flags=cv2.INTER_LINEAR, borderMode=border)
    return cv2.warpPerspective(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=border)


def scaling(fx: float, fy: float, left: float = 0.0, top: float = 0.0) -> Homography:
    """Return the matrix that scales by fx, fy and moves (left, top) to the image corner (-0.5, -0.5)."""
    return np.array([[fx, 0, -fx * left - 0.5], [0, fy, -fy * top - 0.5], [0, 0, 1]])


def resizing(fx: float, fy: float) -> Homography:
    """Return the matrix of the map that `resize` applies."""
    return scaling(fx, fy, -0.5, -0.5)


def shifting(offset: np.ndarray) -> Homography:
    """Return the matrix that adds an offset of shape (2,), in pixels."""
    matrix = np.eye(3)
    matrix[:2, 2] = offset
    return matrix


def turning(width: int, height: int, angle: float, factor: float) -> Homography:
    """Return the matrix that rotates and scales an image about its center.

    Args:
        width: Image width in pixels.
        height: Image height in pixels.
        angle: Degrees, counter-clockwise.
        factor: Scale factor.
    """
    affine = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, factor)
    return np.vstack([affine, [0, 0, 1]])


def mirroring(width: int) -> Homography:
    """Return the matrix that flips an image of `width` columns left to right."""
    return np.array([[-1.0, 0, width - 1], [0, 1, 0], [0, 0, 1]])


def tilting(points: np.ndarray, moves: np.ndarray) -> Homography:
    """Return a perspective that moves the corners of the bounding box of points.

    Args:
        points: (points, 2), all the points to be mapped. None of them ends up on or behind the horizon as
            long as each corner moves by less than a quarter of the box, because the box stays convex.
        moves: (4, 2), offsets of the corners clockwise from the top left, as fractions of the box's sides.
    """
    low, high = extent(points)
    box = np.vstack([np.column_stack([np.diag(high - low), low]), [0, 0, 1]])
    corners = UNIT_SQUARE.astype(np.float32), (UNIT_SQUARE + moves).astype(np.float32)
    return box @ cv2.getPerspectiveTransform(*corners) @ np.linalg.inv(box)
