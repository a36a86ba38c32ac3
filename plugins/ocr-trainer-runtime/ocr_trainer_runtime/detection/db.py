"""Decode a probability map into text regions, as in the authors' code (MhLiao/DB).

Liao et al., AAAI 2020, section "Optimization": binarize the map, take its connected regions, which are shrunk
text kernels, and dilate each of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from ocr_trainer_runtime.detection.offset import area_and_perimeter, exact_distance, offset
from ocr_trainer_runtime.options import Shape, Unclip
from ocr_trainer_runtime.types import Detections

RATIOS = {Shape.quad: 1.5, Shape.polygon: 2.0}
"""The authors' unclip ratios r' of the distance area * r' / perimeter."""
ROTATIONS = np.array([[0, 1, 2, 3], [1, 2, 3, 0], [2, 3, 0, 1], [3, 0, 1, 2]])
"""The corners of a quad, starting at each of them; `np.roll` would take a third of the decoding time."""
SMOOTHING = 0.002
"""Largest distance of a simplified polygon from its outline, as a fraction of the perimeter."""


class DBRule(Protocol):
    """The options of decoding."""

    @property
    def shape(self) -> Shape:
        """Rotated rectangles or polygons."""

    @property
    def binarize_threshold(self) -> float:
        """Pixels with a higher probability are text."""

    @property
    def box_threshold(self) -> float:
        """Regions with a lower mean probability are dropped."""

    @property
    def max_candidates(self) -> int:
        """Regions decoded per image."""

    @property
    def min_side(self) -> float:
        """Regions narrower than this, in pixels, are dropped."""

    @property
    def shrink_ratio(self) -> float:
        """The ratio r that kernels were shrunk with."""

    @property
    def unclip(self) -> Unclip:
        """How regions grow."""

    @property
    def unclip_ratio(self) -> float | None:
        """The ratio of `Unclip.ratio`; None for the authors'."""


@dataclass(slots=True)
class Region:
    """A text region and the mean probability of its kernel."""

    polygon: np.ndarray
    """float32, (points, 2), in pixels."""
    score: float
    """0 to 1."""


def decode_map(probability: np.ndarray, size: tuple[int, int], config: DBRule) -> Detections:
    """Find the text regions of one image. The function has no side effects and is thread-safe.

    Args:
        probability: float32, (height, width), 0 to 1, padding included.
        size: Height and width without padding, in pixels.
        config: Thresholds, limits, shape and unclipping.

    Returns:
        Polygons, float32, (points, 2), in pixels, clipped to `size`, with scores, float32, (regions,). The
        corners of quads run clockwise from the top left.
    """
    height, width = size
    probability = np.ascontiguousarray(probability[:height, :width], dtype=np.float32)
    kernels, warnings = _limit(find_kernels(probability > config.binarize_threshold), config.max_candidates)
    decode = _quad if config.shape is Shape.quad else _polygon
    regions = [region for kernel in kernels if (region := decode(probability, kernel, config)) is not None]
    bounds = np.array([width, height], dtype=np.float32)
    return Detections(
        polygons=[np.clip(region.polygon, 0, bounds) for region in regions],
        scores=np.array([region.score for region in regions], dtype=np.float32),
        warnings=warnings,
    )


def find_kernels(binary: np.ndarray) -> list[np.ndarray]:
    """Return the outer outline of each connected region of a map.

    Args:
        binary: bool, (height, width).

    Returns:
        int32, (points, 2), for each region.
    """
    outlines, tree = cv2.findContours(binary.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    if tree is None:
        return []
    # An outline with a parent is the border of a hole; the authors' code takes holes for regions, too.
    parents = tree.reshape(-1, 4)[:, 3]
    return [outline.reshape(-1, 2) for outline, parent in zip(outlines, parents, strict=True) if parent < 0]


def unclip_distance(area: float, perimeter: float, config: DBRule) -> float:
    """Return the distance D' to grow a kernel by, in pixels; area * r' / perimeter in the paper.

    Args:
        area: Area of the kernel, in square pixels.
        perimeter: Perimeter of the kernel, in pixels.
        config: The rule (`unclip`) and its ratio.
    """
    if config.unclip is Unclip.exact:
        return exact_distance(area, perimeter, config.shrink_ratio)
    return area * unclip_ratio(config) / perimeter


def unclip_ratio(config: DBRule) -> float:
    """Return the ratio of `unclip=ratio`: the configured one, or the authors'."""
    return RATIOS[config.shape] if config.unclip_ratio is None else config.unclip_ratio


def mean_inside(probability: np.ndarray, polygon: np.ndarray) -> float:
    """Return the mean of a map over a polygon, outline included.

    Args:
        probability: float32, (height, width).
        polygon: float or int, (points, 2), in pixels; it may leave the map.
    """
    height, width = probability.shape
    points = np.rint(polygon).astype(np.int32)
    # Only the bounding box is read, not the whole map. It may extend beyond the map; the mask is drawn
    # complete and then cut, because OpenCV misplaces the edges of polygons that leave the image.
    left, top, box_width, box_height = cv2.boundingRect(points)
    inside = np.zeros((box_height, box_width), np.uint8)
    cv2.fillPoly(inside, [points - np.array([left, top], np.int32)], 1)
    inside = inside[max(-top, 0) : height - top, max(-left, 0) : width - left]
    values = probability[max(top, 0) : top + box_height, max(left, 0) : left + box_width]
    return cv2.mean(values, np.ascontiguousarray(inside))[0]


def _limit(kernels: list[np.ndarray], limit: int) -> tuple[list[np.ndarray], list[str]]:
    if len(kernels) <= limit:
        return kernels, []
    largest = sorted(kernels, key=cv2.contourArea, reverse=True)[:limit]
    warning = f"{len(kernels)} text candidates, only the {limit} largest were decoded"
    return largest, [f"{warning}; raise model.max_candidates to decode them all"]


def _quad(probability: np.ndarray, kernel: np.ndarray, config: DBRule) -> Region | None:
    center, (width, height), angle = cv2.minAreaRect(kernel)
    if min(width, height) < config.min_side:
        return None
    score = mean_inside(probability, cv2.boxPoints((center, (width, height), angle)))
    if score < config.box_threshold:
        return None
    # The authors grow the rectangle as a polygon and take its minimum-area rectangle: the same rectangle
    # with longer sides. The + 2 below is theirs, too.
    grow = 2 * unclip_distance(width * height, 2 * (width + height), config)
    if min(width, height) + grow < config.min_side + 2:
        return None
    return Region(_from_top_left(cv2.boxPoints((center, (width + grow, height + grow), angle))), score)


def _polygon(probability: np.ndarray, kernel: np.ndarray, config: DBRule) -> Region | None:
    outline = cv2.approxPolyDP(kernel, SMOOTHING * cv2.arcLength(kernel, closed=True), closed=True)
    outline = outline.reshape(-1, 2)
    if len(outline) < 4:
        return None
    score = mean_inside(probability, outline)
    if score < config.box_threshold:
        return None
    area, perimeter = area_and_perimeter(outline)
    distance = unclip_distance(area, perimeter, config)
    grown = offset(outline, distance, round_corners=config.unclip is Unclip.ratio)
    if len(grown) != 1 or min(cv2.minAreaRect(grown[0])[1]) < config.min_side + 2:
        return None  # the authors, too, drop regions that fall apart or close around a hole
    return Region(grown[0], score)


def _from_top_left(corners: np.ndarray) -> np.ndarray:
    """Rotate four clockwise corners so that the one nearest the image's top left comes first."""
    ordered: np.ndarray = corners[ROTATIONS[corners.sum(axis=1).argmin()]]
    return ordered
