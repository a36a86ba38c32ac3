"""Polygons of training targets: clipped to the image, and how far they shrink."""

from __future__ import annotations

import numpy as np
import pyclipper

from ocr_trainer_runtime.detection.offset import to_pixels, to_steps


def clip(polygon: np.ndarray, size: tuple[int, int]) -> list[np.ndarray]:
    """Return the pieces of a polygon inside an image, whose pixel centers have integer coordinates.

    Args:
        polygon: float or int, (points, 2), finite, in pixels.
        size: Height and width of the image.

    Returns:
        (points, 2) each; empty if nothing lies inside.
    """
    right, bottom = size[1] - 1, size[0] - 1
    if polygon.min() >= 0 and (polygon.max(axis=0) <= (right, bottom)).all():
        return [polygon]
    image = np.array([[0, 0], [right, 0], [right, bottom], [0, bottom]])
    clipper = pyclipper.Pyclipper()
    try:
        clipper.AddPath(to_steps(polygon), pyclipper.PT_SUBJECT, True)
        clipper.AddPath(to_steps(image), pyclipper.PT_CLIP, True)
    except pyclipper.ClipperException:
        return []
    return to_pixels(clipper.Execute(pyclipper.CT_INTERSECTION))


def shrink_distance(area: float, perimeter: float, ratio: float) -> float:
    """Return the offset D = A (1 - r²) / L in pixels (Liao et al., AAAI 2020, section "Label generation")."""
    return area * (1 - ratio**2) / perimeter
