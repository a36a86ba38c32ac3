"""Copies texts to free places of a page.

After Ghiasi et al., "Simple Copy-Paste is a Strong Data Augmentation Method for Instance Segmentation", CVPR
2021. Unlike there, nothing is covered: a text is pasted only where no other text is.
"""

from __future__ import annotations

import cv2
import numpy as np

from ocr_trainer.builtin.augment.plugin import CopyPasteConfig
from ocr_trainer.data.augmentation import Augmentation
from ocr_trainer.data.geometry import shifting
from ocr_trainer.data.types import Image, Polygon
from ocr_trainer.data.view import View
from ocr_trainer.errors import DataError
from ocr_trainer.plugin import Context
from ocr_trainer_runtime.geometry import apply as map_points
from ocr_trainer_runtime.geometry import extent, resize, resize_points

TRIES = 64
"""Number of random places that are examined for each text."""
GAP = 2
"""Least distance between the boxes of a pasted text and of any other, in pixels."""
MIN_SIDE = 4
"""Least height and width of a pasted text, in pixels."""
MAX_GAIN = 1.6
"""Largest factor of brightness, up or down: what was light on dark stays so."""


class CopyPaste(Augmentation):
    """The augmentation `copy_paste`."""

    def __init__(self, config: CopyPasteConfig, context: Context) -> None:
        self.config = config

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        """Paste a random number of texts."""
        if rng.random() >= self.config.probability:
            return view
        donor = self._donor(view, rng)
        chosen = rng.permutation(np.flatnonzero(~donor.ignore))[: rng.integers(1, self.config.max_texts + 1)]
        image, boxes = view.image.copy(), [extent(polygon) for polygon in view.polygons]
        pixels = donor.image
        for place in chosen:
            low, high = np.log(self.config.scale)
            patch = cut(pixels, donor.polygons[place], float(np.exp(rng.uniform(low, high))))
            if patch is None or (corner := free_place(image, patch[0], boxes, rng)) is None:
                continue
            paste(image, *patch, corner, self.config.match_light)
            polygon = map_points(shifting(corner), patch[1]).astype(np.float32)
            view.add(polygon, donor.texts[place])
            boxes.append(extent(polygon))
        view.image = image
        return view

    def _donor(self, view: View, rng: np.random.Generator) -> View:
        """Return the page to copy from: another one at random, or the same one."""
        if len(self.samples) and rng.random() < self.config.other_page:
            try:
                return View.of(self.samples[int(rng.integers(len(self.samples)))])
            except DataError:
                pass  # reported when its turn to be trained on comes
        return view


def cut(image: Image, polygon: Polygon, factor: float) -> tuple[Image, Polygon] | None:
    """Cut the bounding box of a text out and resize it; None for a text at the border, or a tiny one.

    Returns:
        The pixels, and the polygon in them.
    """
    low, high = np.floor(polygon.min(axis=0)).astype(int) - 1, np.ceil(polygon.max(axis=0)).astype(int) + 2
    height, width = image.shape[:2]
    if low.min() < 0 or high[0] > width or high[1] > height:
        return None
    patch = image[low[1] : high[1], low[0] : high[0]]
    height, width = (max(1, round(side * factor)) for side in patch.shape[:2])
    if min(height, width) < MIN_SIDE:
        return None
    fx, fy = width / patch.shape[1], height / patch.shape[0]
    return resize(patch, height, width), resize_points([polygon - low], fx, fy)[0]


def free_place(
    image: Image, patch: Image, boxes: list[np.ndarray], rng: np.random.Generator
) -> np.ndarray | None:
    """Return a random top left corner, (2,), at which a patch meets none of the boxes, or None."""
    room = np.array(image.shape[1::-1]) - patch.shape[1::-1]
    if (room < 0).any():
        return None
    corners = rng.integers(0, room + 1, size=(TRIES, 2))
    taken = np.reshape(boxes, (1, -1, 2, 2))
    ends = corners + patch.shape[1::-1]
    meets = (corners[:, None] < taken[:, :, 1] + GAP) & (ends[:, None] > taken[:, :, 0] - GAP)
    free = np.flatnonzero(~np.any(np.all(meets, axis=2), axis=1))
    return corners[free[0]] if len(free) else None


def paste(image: Image, patch: Image, polygon: Polygon, corner: np.ndarray, match_light: bool) -> None:
    """Paste what a polygon encloses, with a soft edge.

    Args:
        image: The page, changed in place.
        patch: uint8 of shape (height, width, 3).
        polygon: In pixels of the patch.
        corner: (2,), where the top left pixel of the patch goes.
        match_light: Scale the channels so that the surroundings of the text look like the place.
    """
    height, width = patch.shape[:2]
    place = image[corner[1] : corner[1] + height, corner[0] : corner[0] + width]
    mask: np.ndarray = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [np.rint(polygon).astype(np.int32)], 255)
    mask = np.asarray(cv2.dilate(mask, np.ones((3, 3), np.uint8)))
    colors = patch.astype(np.float32)
    if match_light:
        # By default, OpenCV takes what is beyond the patch for part of the mask.
        inside = cv2.erode(mask, np.ones((5, 5), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
        rim = (mask > 0) & (inside == 0)
        gain = (np.median(place, axis=(0, 1)) + 1) / (np.median(patch[rim], axis=0) + 1)
        colors *= np.clip(gain, 1 / MAX_GAIN, MAX_GAIN).astype(np.float32)
    weight = cv2.GaussianBlur(mask, (0, 0), 1)[:, :, None].astype(np.float32) / 255
    place[:] = np.clip(np.rint(place + (colors - place) * weight), 0, 255)
