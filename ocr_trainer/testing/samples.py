"""Samples for the suites: a page to overfit, edge cases that augmentation may produce, boxes to follow.

Imports NumPy, unlike the suites, which import this module only inside tests.
"""

from __future__ import annotations

import cv2
import numpy as np

from ocr_trainer.data.types import Image, Polygon, Sample


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


def boxes(seed: int) -> Sample:
    """Return light paper of 240 x 320 pixels with six dark boxes, each with its polygon."""
    rng = np.random.default_rng(seed)
    image = rng.integers(220, 250, (240, 320, 3), dtype=np.uint8)
    polygons = []
    for place in range(6):
        left, top = rng.integers(10, 25, size=2) + np.array([100, 110]) * (place % 3, place // 3)
        right, bottom = np.array([left, top]) + rng.integers((40, 24), (65, 44))
        image[top:bottom, left:right] = rng.integers(0, 40, (bottom - top, right - left, 3))
        polygons.append(polygon((left, top), (right, top), (right, bottom), (left, bottom)))
    texts = [f"text {place}" for place in range(6)]
    return Sample(image, polygons, texts, np.zeros(6, dtype=bool), f"page {seed} of the contract suite")


def stands_out(image: Image, outline: Polygon) -> bool | None:
    """Return whether a polygon differs from what surrounds it; None if too little of it is in the image."""
    mask = np.zeros(image.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.rint(outline).astype(np.int32)], (1,))
    small, large = np.ones((5, 5), np.uint8), np.ones((13, 13), np.uint8)
    inside = np.asarray(cv2.erode(mask, small)) > 0
    around = np.asarray(cv2.dilate(mask, large)) > np.asarray(cv2.dilate(mask, small))
    if min(np.count_nonzero(inside), np.count_nonzero(around)) < 50:
        return None
    brightness = image.mean(axis=2)
    return bool(abs(np.median(brightness[inside]) - np.median(brightness[around])) > 20)
