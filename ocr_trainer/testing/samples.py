"""Samples for the model suite: a page to overfit, and edge cases that augmentation may produce.

Imports NumPy, unlike the suites, which import this module only inside tests.
"""

from __future__ import annotations

import numpy as np

from ocr_trainer.data.types import Polygon, Sample


def page(height: int, width: int, polygons: list[Polygon] | None = None, ignore: bool = False) -> Sample:
    """Return a light page with one dark box, which is labeled as text unless polygons are given.

    Args:
        height: Height in pixels.
        width: Width in pixels.
        polygons: Labels, float32 (points, 2) each, in pixels; None for the outline of the box.
        ignore: Whether the labels are don't-care.
    """
    rng = np.random.default_rng(0)
    top, bottom, left, right = height // 4, 3 * height // 4, width // 8, 7 * width // 8
    image = rng.integers(200, 255, (height, width, 3), dtype=np.uint8)
    image[top:bottom, left:right] = rng.integers(0, 90, (bottom - top, right - left, 3))
    if polygons is None:
        polygons = [polygon((left, top), (right, top), (right, bottom), (left, bottom))]
    flags = np.full(len(polygons), ignore, dtype=bool)
    return Sample(image, polygons, ["text"] * len(polygons), flags, "a page of the contract suite")


def polygon(*points: tuple[float, float]) -> Polygon:
    """Return a polygon as float32, (points, 2)."""
    return np.array(points, dtype=np.float32)


def edge_cases(height: int, width: int) -> dict[str, Sample]:
    """Return pages of one size, keyed by a description of their labels."""
    h, w = float(height), float(width)
    turn = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    labels = {
        "no text": [],
        "text partly outside": [polygon((-w, h / 4), (w / 2, h / 4), (w / 2, 2 * h), (-w, 2 * h))],
        "text entirely outside": [polygon((2 * w, 0), (3 * w, 0), (3 * w, h), (2 * w, h))],
        "text around the whole image": [polygon((-w, -h), (2 * w, -h), (2 * w, 2 * h), (-w, 2 * h))],
        "a polygon of twelve points": [
            np.stack([w / 2 + w / 3 * np.cos(turn), h / 2 + h / 3 * np.sin(turn)], axis=1).astype(np.float32)
        ],
        "a triangle": [polygon((w / 8, h / 8), (w / 2, h / 8), (w / 8, h / 2))],
        "a polygon that is a point": [polygon((9, 9), (9, 9), (9, 9), (9, 9))],
        "a polygon that is a line": [polygon((8, 8), (w / 2, 8), (w - 8, 8))],
        "a polygon that crosses itself": [polygon((8, 8), (w - 8, h - 8), (w - 8, 8), (8, h - 8))],
        "text of half a pixel": [polygon((9, 9), (9.5, 9), (9.5, 9.5), (9, 9.5))],
    }
    pages = {name: page(height, width, polygons) for name, polygons in labels.items()}
    return {"text": page(height, width), "only ignored text": page(height, width, ignore=True)} | pages
