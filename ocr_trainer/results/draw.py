"""Pictures of what a model found, beside what is there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw

from ocr_trainer.data.geometry import UNIT_SQUARE
from ocr_trainer.data.types import Image, Polygon
from ocr_trainer.errors import DataError
from ocr_trainer.results import Page
from ocr_trainer.text.fonts import Fonts, find, needs_shaping, open_font

Color = tuple[int, int, int]

# Told apart by the color-blind, too (after Okabe and Ito), and on paper as well as in the dark.
FOUND: Color = (230, 60, 0)
TRUTH: Color = (0, 120, 255)
DONT_CARE: Color = (140, 140, 140)
READ: Color = (0, 0, 0)
PALE: Color = (200, 200, 200)

TINT = 0.35
"""How much of a tint covers what is below it."""
FONT = cv2.FONT_HERSHEY_SIMPLEX
INK_SIZE = 40
"""Pixels per em that texts are drawn at before they are fitted in."""
LEAST_TEXT = 4
"""In lower polygons, in pixels, a text could not be read."""


def draw(
    image: Image,
    polygons: Sequence[Polygon],
    scores: np.ndarray | None = None,
    truth: Sequence[Polygon] | None = None,
    truth_ignore: np.ndarray | None = None,
    *,
    max_side: int | None = None,
    legend: bool = False,
) -> Image:
    """Return a copy of an image with polygons drawn on it: found orange, truth blue, don't-care gray.

    The truth is tinted and what was found is outlined, so that both are seen where they coincide
    and the text stays readable. Lines grow with the picture.

    Args:
        image: uint8, (height, width, 3), RGB; left as it is.
        polygons: Detections, each (points, 2), in pixels of the image.
        scores: One per detection, 0 to 1, written at its first corner.
        truth: Ground truth, each (points, 2), in pixels of the image.
        truth_ignore: bool, one per truth: don't-care.
        max_side: Shrink the picture, before drawing, until no side has more pixels.
        legend: Add a strip below that says what the colors mean, with the number of each.

    Returns:
        uint8, (height, width, 3), RGB.
    """
    canvas, scale = _shrunk(image, max_side)
    unit = _unit(canvas)
    truth = [] if truth is None else truth
    ignore = np.zeros(len(truth), dtype=bool) if truth_ignore is None else np.asarray(truth_ignore)
    cared = [p for p, flag in zip(truth, ignore, strict=True) if not flag]
    dont_care = [p for p, flag in zip(truth, ignore, strict=True) if flag]

    _tint(canvas, [(dont_care, DONT_CARE), (cared, TRUTH)], scale)
    points = [_points(polygon, scale) for polygon in polygons]
    cv2.polylines(canvas, points, isClosed=True, color=FOUND, thickness=unit, lineType=cv2.LINE_AA)
    if scores is not None:
        for polygon, score in zip(polygons, scores, strict=True):
            _label(canvas, f"{float(score):.2f}", polygon[0] * scale, unit, FOUND)
    if not legend:
        return canvas
    entries = [("found", len(polygons), FOUND), ("truth", len(cared), TRUTH)]
    return _with_legend(canvas, [*entries, ("don't care", len(dont_care), DONT_CARE)], unit)


def draw_page(image: Image, page: Page, *, max_side: int | None = None) -> Image:
    """Return what was found, drawn on a copy of an image; beside it, if texts were read, what they read.

    Each text is set where it was found, as large as fits; its number says when it is read. A character
    that no font of the machine has shows as that font's sign for it.

    Args:
        image: uint8, (height, width, 3), RGB; left as it is.
        page: What was found in it.
        max_side: Shrink the picture, before drawing, until no side has more pixels.

    Returns:
        uint8, (height, width, 3), RGB; twice as wide with texts.
    """
    polygons = [text.polygon for text in page.texts]
    if not any(text.reading for text in page.texts):
        return draw(image, polygons, np.array([text.score for text in page.texts]), max_side=max_side)
    left = draw(image, polygons, max_side=max_side)
    right, unit = np.full_like(left, 255), _unit(left)
    scale = left.shape[0] / image.shape[0]
    outlines = [_points(polygon, scale) for polygon in polygons]
    cv2.polylines(right, outlines, isClosed=True, color=PALE, thickness=unit, lineType=cv2.LINE_AA)
    for number, polygon in enumerate(polygons, start=1):
        _label(right, str(number), polygon[0] * scale, unit, FOUND)
    for text in page.texts:
        if text.words:
            _set_text(right, text.polygon * scale, text.words)
    return np.hstack([left, right])


def _set_text(canvas: Image, polygon: Polygon, words: str) -> None:
    """Set a text into a polygon: along its edges if it has four, else within the box around it."""
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    quad = polygon if len(polygon) == 4 else low + UNIT_SQUARE * (high - low)
    width = np.linalg.norm([quad[1] - quad[0], quad[2] - quad[3]], axis=1).mean()
    height = np.linalg.norm([quad[3] - quad[0], quad[2] - quad[1]], axis=1).mean()
    if min(width, height) < LEAST_TEXT:
        return
    ink = _ink(words)
    # What of the ink's plane the polygon shows: the text, not stretched, with room behind or around it.
    window = np.array([width, height]) * max(ink.shape[1] / width, ink.shape[0] / height)
    corners = UNIT_SQUARE * window - (0, (window[1] - ink.shape[0]) / 2)
    left, top = np.clip(np.floor(low), 0, np.array(canvas.shape[1::-1]) - 1).astype(int)
    right, bottom = np.clip(np.ceil(high) + 1, 1, canvas.shape[1::-1]).astype(int)
    target = (quad - (left, top)).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), target)
    laid = cv2.warpPerspective(ink, matrix, (right - left, bottom - top), flags=cv2.INTER_AREA)
    share = laid[..., None].astype(np.float32) / 255
    canvas[top:bottom, left:right] = canvas[top:bottom, left:right] * (1 - share) + np.array(READ) * share


def _ink(words: str) -> np.ndarray:
    """Return a text as ink: uint8, (height, width)."""
    able = _own_font().having(words) or _all_fonts().having(words) or [None]
    font = open_font(able[0], INK_SIZE, needs_shaping(words))
    ascent, descent = font.getmetrics()
    image = Pillow.new("L", (max(1, round(font.getlength(words))), ascent + descent))
    ImageDraw.Draw(image).text((0, ascent), words, 255, font, anchor="ls")
    return np.asarray(image)


@lru_cache(maxsize=1)
def _own_font() -> Fonts:
    return Fonts([None])


@lru_cache(maxsize=1)
def _all_fonts() -> Fonts:
    """Return the machine's fonts; looked for when Pillow's own lacks a character."""
    try:
        return Fonts(find([], system=True))
    except DataError:
        return _own_font()


def _shrunk(image: Image, max_side: int | None) -> tuple[Image, float]:
    """Return a copy that has at most so many pixels a side, and the factor it was scaled by."""
    longest = max(image.shape[:2])
    if max_side is None or longest <= max_side:
        return np.ascontiguousarray(image).copy(), 1.0
    scale = max_side / longest
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), scale


def _unit(canvas: Image) -> int:
    """Return the width of a thin line, in pixels: 1 on a small picture, 4 on an A4 scan at 600 dpi."""
    return max(1, round(float(np.sqrt(canvas.shape[0] * canvas.shape[1])) / 1200))


def _points(polygon: Polygon, scale: float) -> np.ndarray:
    return np.rint(np.asarray(polygon) * scale).astype(np.int32)


def _tint(canvas: Image, groups: list[tuple[list[Polygon], Color]], scale: float) -> None:
    """Lay a see-through color over each group's polygons."""
    if not any(polygons for polygons, _ in groups):
        return
    tinted = canvas.copy()
    for polygons, color in groups:
        for polygon in polygons:  # one by one: together, their overlaps would be left out
            cv2.fillPoly(tinted, [_points(polygon, scale)], color, cv2.LINE_AA)
    cv2.addWeighted(tinted, TINT, canvas, 1 - TINT, 0, dst=canvas)


def _label(canvas: Image, text: str, corner: np.ndarray, unit: int, color: Color) -> None:
    """Write on a label above a corner, or where the label stays within the picture."""
    size = 0.35 * unit
    (width, height), _ = cv2.getTextSize(text, FONT, size, unit)
    x = int(np.clip(corner[0], 0, max(0, canvas.shape[1] - width)))
    y = int(np.clip(corner[1] - 2 * unit, height, max(height, canvas.shape[0] - 1)))
    cv2.rectangle(canvas, (x, y - height), (x + width, y), (255, 255, 255), cv2.FILLED)
    cv2.putText(canvas, text, (x, y), FONT, size, color, unit, cv2.LINE_AA)


def _with_legend(canvas: Image, entries: list[tuple[str, int, Color]], unit: int) -> Image:
    """Return the picture with a strip below it; entries that count nothing are left out."""
    strip = np.full((24 * unit, canvas.shape[1], 3), 255, dtype=np.uint8)
    x = 6 * unit
    for name, count, color in entries:
        if count:
            text = f"{name}: {count}"
            cv2.putText(strip, text, (x, 17 * unit), FONT, 0.5 * unit, color, unit, cv2.LINE_AA)
            x += cv2.getTextSize(text, FONT, 0.5 * unit, unit)[0][0] + 16 * unit
    return np.vstack([canvas, strip])
