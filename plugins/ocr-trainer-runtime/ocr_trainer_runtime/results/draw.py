"""Drawings of detections, ground truth and recognized text on images."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw

from ocr_trainer_runtime.errors import DataError
from ocr_trainer_runtime.geometry import UNIT_SQUARE
from ocr_trainer_runtime.results.fonts import Fonts, find, needs_shaping, open_font
from ocr_trainer_runtime.results.writer import Writer
from ocr_trainer_runtime.types import Image, Polygon

if TYPE_CHECKING:
    from ocr_trainer_runtime.results.page import Page

Color = tuple[int, int, int]

# Safe for color-blind readers (after Okabe and Ito), and visible on light and dark images.
FOUND: Color = (230, 60, 0)
TRUTH: Color = (0, 120, 255)
DONT_CARE: Color = (140, 140, 140)
READ: Color = (0, 0, 0)
PALE: Color = (200, 200, 200)

TINT = 0.35
"""Opacity of the fill of ground truth polygons."""
FONT = cv2.FONT_HERSHEY_SIMPLEX
INK_SIZE = 40
"""Font size, in pixels per em, at which a text is rendered before it is warped into its polygon."""
MIN_TEXT_SIZE = 4
"""Polygons with a side below this many pixels get no text: it would be illegible."""


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
    """Draw polygons on a copy of an image: detections orange, ground truth blue, don't-care gray.

    Ground truth is filled with a transparent color and detections are outlined, so that both are visible
    where they coincide and the text stays readable. Line widths scale with the image.

    Args:
        image: uint8, (height, width, 3), RGB; not modified.
        polygons: Detections, each (points, 2), in pixels of the image.
        scores: One per detection, 0 to 1, written at its first corner.
        truth: Ground truth, each (points, 2), in pixels of the image.
        truth_ignore: bool, one per ground truth polygon: don't-care.
        max_side: Shrink the image before drawing so that no side has more pixels than this.
        legend: Add a strip below the image that explains the colors, with the number of polygons of each.

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
    """Draw the detections of a page on a copy of its image and, to its right, the recognized texts.

    Each text is set into its polygon as large as it fits, next to its number in reading order. A
    character that no installed font has appears as the font's missing-glyph box. Without recognized
    texts, the right half is omitted.

    Args:
        image: uint8, (height, width, 3), RGB; not modified.
        page: Results for the image.
        max_side: Shrink the image before drawing so that no side has more pixels than this.

    Returns:
        uint8, (height, width, 3), RGB; twice as wide as the image if there are texts.
    """
    polygons = [word.polygon for word in page.words]
    if not any(word.reading for word in page.words):
        return draw(image, polygons, np.array([word.score for word in page.words]), max_side=max_side)
    left = draw(image, polygons, max_side=max_side)
    right, unit = np.full_like(left, 255), _unit(left)
    scale = left.shape[0] / image.shape[0]
    outlines = [_points(polygon, scale) for polygon in polygons]
    cv2.polylines(right, outlines, isClosed=True, color=PALE, thickness=unit, lineType=cv2.LINE_AA)
    for number, polygon in enumerate(polygons, start=1):
        _label(right, str(number), polygon[0] * scale, unit, FOUND)
    for word in page.words:
        if word.text:
            _set_text(right, word.polygon * scale, word.text)
    return np.hstack([left, right])


class OverlayWriter(Writer):
    """The format `overlay`."""

    def write(self, page: Page, image: Image) -> Image:
        """Return the picture; see the function `draw_page`."""
        return draw_page(image, page)


def _set_text(canvas: Image, polygon: Polygon, text: str) -> None:
    """Draw a text into a polygon: along its edges if it has four corners, else into its bounding box."""
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    quad = polygon if len(polygon) == 4 else low + UNIT_SQUARE * (high - low)
    width = np.linalg.norm([quad[1] - quad[0], quad[2] - quad[3]], axis=1).mean()
    height = np.linalg.norm([quad[3] - quad[0], quad[2] - quad[1]], axis=1).mean()
    if min(width, height) < MIN_TEXT_SIZE:
        return
    ink = _ink(text)
    # The part of the ink's plane that maps onto the polygon. It has the polygon's aspect ratio, so the text
    # is not stretched; the rest is blank, after the text or above and below it.
    window = np.array([width, height]) * max(ink.shape[1] / width, ink.shape[0] / height)
    corners = UNIT_SQUARE * window - (0, (window[1] - ink.shape[0]) / 2)
    left, top = np.clip(np.floor(low), 0, np.array(canvas.shape[1::-1]) - 1).astype(int)
    right, bottom = np.clip(np.ceil(high) + 1, 1, canvas.shape[1::-1]).astype(int)
    target = (quad - (left, top)).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), target)
    warped = cv2.warpPerspective(ink, matrix, (right - left, bottom - top), flags=cv2.INTER_AREA)
    alpha = warped[..., None].astype(np.float32) / 255
    canvas[top:bottom, left:right] = canvas[top:bottom, left:right] * (1 - alpha) + np.array(READ) * alpha


def _ink(text: str) -> np.ndarray:
    """Render a text as an ink mask: uint8, (height, width), 255 for ink."""
    candidates = _pillow_font().having(text) or _system_fonts().having(text) or [None]
    font = open_font(candidates[0], INK_SIZE, needs_shaping(text))
    ascent, descent = font.getmetrics()
    image = Pillow.new("L", (max(1, round(font.getlength(text))), ascent + descent))
    ImageDraw.Draw(image).text((0, ascent), text, 255, font, anchor="ls")
    return np.asarray(image)


@lru_cache(maxsize=1)
def _pillow_font() -> Fonts:
    return Fonts([None])


@lru_cache(maxsize=1)
def _system_fonts() -> Fonts:
    """Return the installed fonts. The search is slow, so it runs only if Pillow's font lacks a character."""
    try:
        return Fonts(find([], system=True))
    except DataError:
        return _pillow_font()


def _shrunk(image: Image, max_side: int | None) -> tuple[Image, float]:
    """Return a copy with at most `max_side` pixels a side, and its scale factor."""
    longest = max(image.shape[:2])
    if max_side is None or longest <= max_side:
        return np.ascontiguousarray(image).copy(), 1.0
    scale = max_side / longest
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), scale


def _unit(canvas: Image) -> int:
    """Return the width of a thin line, in pixels: 1 on a small image, 4 on an A4 scan at 600 dpi."""
    return max(1, round(float(np.sqrt(canvas.shape[0] * canvas.shape[1])) / 1200))


def _points(polygon: Polygon, scale: float) -> np.ndarray:
    return np.rint(np.asarray(polygon) * scale).astype(np.int32)


def _tint(canvas: Image, groups: list[tuple[list[Polygon], Color]], scale: float) -> None:
    """Fill each group's polygons with a transparent color, in place."""
    if not any(polygons for polygons, _ in groups):
        return
    tinted = canvas.copy()
    for polygons, color in groups:
        # One by one: in a single call, cv2.fillPoly leaves overlaps unfilled (even-odd rule).
        for polygon in polygons:
            cv2.fillPoly(tinted, [_points(polygon, scale)], color, cv2.LINE_AA)
    cv2.addWeighted(tinted, TINT, canvas, 1 - TINT, 0, dst=canvas)


def _label(canvas: Image, text: str, corner: np.ndarray, unit: int, color: Color) -> None:
    """Draw a label above a corner, shifted if needed to stay within the image."""
    size = 0.35 * unit
    (width, height), _ = cv2.getTextSize(text, FONT, size, unit)
    x = int(np.clip(corner[0], 0, max(0, canvas.shape[1] - width)))
    y = int(np.clip(corner[1] - 2 * unit, height, max(height, canvas.shape[0] - 1)))
    cv2.rectangle(canvas, (x, y - height), (x + width, y), (255, 255, 255), cv2.FILLED)
    cv2.putText(canvas, text, (x, y), FONT, size, color, unit, cv2.LINE_AA)


def _with_legend(canvas: Image, entries: list[tuple[str, int, Color]], unit: int) -> Image:
    """Return the image with a legend strip below it; entries with a count of 0 are omitted."""
    strip = np.full((24 * unit, canvas.shape[1], 3), 255, dtype=np.uint8)
    x = 6 * unit
    for name, count, color in entries:
        if count:
            text = f"{name}: {count}"
            cv2.putText(strip, text, (x, 17 * unit), FONT, 0.5 * unit, color, unit, cv2.LINE_AA)
            x += cv2.getTextSize(text, FONT, 0.5 * unit, unit)[0][0] + 16 * unit
    return np.vstack([canvas, strip])
