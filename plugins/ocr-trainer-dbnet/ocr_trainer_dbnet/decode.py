"""From a probability map to text regions, as the authors of DBNet do it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from ocr_trainer.data.types import Detections
from ocr_trainer_dbnet.geometry import area_and_perimeter, exact_distance, offset
from ocr_trainer_dbnet.plugin import DBNetConfig, Shape, Unclip

RATIOS = {Shape.quad: 1.5, Shape.polygon: 2.0}
"""The authors' factors of area / perimeter."""
TRIED_THRESHOLDS = (0.2, 0.3, 0.4, 0.5)
TRIED_RATIOS = (1.5, 1.7, 2.0, 2.3)
"""What `worth_trying` offers; the ratios go from the authors' for quads to what long lines need."""
TURNS = np.array([[0, 1, 2, 3], [1, 2, 3, 0], [2, 3, 0, 1], [3, 0, 1, 2]])
"""The corners of a quad from each of them on; `np.roll` would take a third of the time of decoding."""
SMOOTHING = 0.002
"""How far a polygon may be from the outline it simplifies, as a share of its perimeter."""


@dataclass(slots=True)
class Region:
    """A text region and the mean probability of its kernel."""

    polygon: np.ndarray
    score: float


def worth_trying(config: DBNetConfig) -> list[dict[str, Any]]:
    """Return settings to choose from on validation data, as changes to `config`; the first has no effect.

    Every threshold of `TRIED_THRESHOLDS` meets `unclip=exact` and every ratio of `TRIED_RATIOS`.
    """
    exact = (Unclip.exact, None)
    present = exact if config.unclip is Unclip.exact else (Unclip.ratio, _ratio(config))
    rules = [exact, *((Unclip.ratio, ratio) for ratio in TRIED_RATIOS)]
    offered = [(threshold, *rule) for threshold in TRIED_THRESHOLDS for rule in rules]
    names = ("binarize_threshold", "unclip", "unclip_ratio")
    settings = dict.fromkeys([(config.binarize_threshold, *present), *offered])
    return [dict(zip(names, values, strict=True)) for values in settings]


def decode_map(probability: np.ndarray, size: tuple[int, int], config: DBNetConfig) -> Detections:
    """Find the text regions of one image; a pure function, safe in threads.

    Args:
        probability: float32, (height, width), padding included.
        size: Height and width without padding.
        config: Thresholds, limits, shape and unclipping.

    Returns:
        float32 polygons in pixels, none of them outside `size`; quads run clockwise from the top left.
    """
    height, width = size
    probability = np.ascontiguousarray(probability[:height, :width], dtype=np.float32)
    kernels, warnings = _limit(find_kernels(probability > config.binarize_threshold), config.max_candidates)
    read = _quad if config.shape is Shape.quad else _polygon
    regions = [region for kernel in kernels if (region := read(probability, kernel, config)) is not None]
    bounds = np.array([width, height], dtype=np.float32)
    return Detections(
        polygons=[np.clip(region.polygon, 0, bounds) for region in regions],
        scores=np.array([region.score for region in regions], dtype=np.float32),
        warnings=warnings,
    )


def find_kernels(binary: np.ndarray) -> list[np.ndarray]:
    """Return the outer outlines of the connected regions of a bool map, int32 (points, 2) each."""
    outlines, tree = cv2.findContours(binary.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    if tree is None:
        return []
    parents = tree.reshape(-1, 4)[:, 3]
    return [outline.reshape(-1, 2) for outline, parent in zip(outlines, parents, strict=True) if parent < 0]


def unclip_distance(area: float, perimeter: float, config: DBNetConfig) -> float:
    """Return by how many pixels a kernel of this area and perimeter is grown."""
    if config.unclip is Unclip.exact:
        return exact_distance(area, perimeter, config.shrink_ratio)
    return area * _ratio(config) / perimeter


def _ratio(config: DBNetConfig) -> float:
    return RATIOS[config.shape] if config.unclip_ratio is None else config.unclip_ratio


def mean_inside(probability: np.ndarray, polygon: np.ndarray) -> float:
    """Return the mean of a float32 map over a polygon, its outline included; looks at its box only."""
    height, width = probability.shape
    points = np.rint(polygon).astype(np.int32)
    left, top, box_width, box_height = cv2.boundingRect(points)
    # The box may stick out of the map. All of it is drawn: OpenCV misplaces the edges of what it cuts off.
    inside = np.zeros((box_height, box_width), np.uint8)
    cv2.fillPoly(inside, [points - np.array([left, top], np.int32)], 1)
    inside = inside[max(-top, 0) : height - top, max(-left, 0) : width - left]
    values = probability[max(top, 0) : top + box_height, max(left, 0) : left + box_width]
    return cv2.mean(values, np.ascontiguousarray(inside))[0]


def _limit(kernels: list[np.ndarray], limit: int) -> tuple[list[np.ndarray], list[str]]:
    if len(kernels) <= limit:
        return kernels, []
    largest = sorted(kernels, key=cv2.contourArea, reverse=True)[:limit]
    found = f"{len(kernels)} text candidates, only the {limit} largest were looked at"
    return largest, [f"{found}; raise model.max_candidates to see them all"]


def _quad(probability: np.ndarray, kernel: np.ndarray, config: DBNetConfig) -> Region | None:
    center, (width, height), angle = cv2.minAreaRect(kernel)
    if min(width, height) < config.min_side:
        return None
    score = mean_inside(probability, cv2.boxPoints((center, (width, height), angle)))
    if score < config.box_threshold:
        return None
    # The smallest rectangle around a grown rectangle is that rectangle, grown: no polygon is needed.
    grow = 2 * unclip_distance(width * height, 2 * (width + height), config)
    if min(width, height) + grow < config.min_side + 2:
        return None
    return Region(_from_top_left(cv2.boxPoints((center, (width + grow, height + grow), angle))), score)


def _polygon(probability: np.ndarray, kernel: np.ndarray, config: DBNetConfig) -> Region | None:
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
        return None  # the authors drop regions that fall apart or close around a hole
    return Region(grown[0], score)


def _from_top_left(corners: np.ndarray) -> np.ndarray:
    """Order four corners clockwise, from the one nearest the image's top left."""
    return corners[TURNS[corners.sum(axis=1).argmin()]]
