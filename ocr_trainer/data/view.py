"""A sample during augmentation: polygons follow the pixels, and the pixels are resampled once.

A geometric step only composes a 3 x 3 matrix; the image is warped with the product when somebody looks at it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import cv2
import numpy as np

from ocr_trainer.data.geometry import apply_all, resizing, warp
from ocr_trainer.data.types import Image, Polygon, Sample
from ocr_trainer_runtime.geometry import Homography, resize, resize_points


class View:
    """An image and its texts, and the geometric change that is still to be applied to the image.

    In recognition, the only text is that of the image, and its polygon is the outline of the image.

    Args:
        image: uint8 of shape (height, width, 3), RGB. It is never written to.
        polygons: One per text, (points, 2), in pixels of the image.
        texts: One per polygon; empty if unknown.
        ignore: bool of shape (polygons,): "don't care" regions.
        source: Where the sample comes from; shown to the user.
    """

    def __init__(
        self,
        image: Image,
        polygons: Sequence[Polygon],
        texts: Sequence[str],
        ignore: np.ndarray,
        source: str = "",
    ) -> None:
        self._shown: Image | None = None
        self.image = image
        self.polygons, self.texts, self.ignore = list(polygons), list(texts), np.asarray(ignore, dtype=bool)
        self.source = source

    @classmethod
    def of(cls, sample: Sample) -> Self:
        """Return the view of a whole sample."""
        return cls(sample.image, sample.polygons, sample.texts, sample.ignore, sample.source)

    def sample(self) -> Sample:
        """Return the sample that the view shows."""
        polygons = [np.asarray(polygon, dtype=np.float32) for polygon in self.polygons]
        return Sample(self._render(), polygons, list(self.texts), self.ignore, self.source)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels, known without resampling the image."""
        return self._size

    @property
    def image(self) -> Image:
        """uint8 of shape (height, width, 3), RGB, read-only. Assign another image to change the pixels."""
        self._shown = self._render().view()
        self._shown.setflags(write=False)  # the dataset may keep its images
        return self._shown

    @image.setter
    def image(self, image: Image) -> None:
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            given = f"{image.dtype} {image.shape}"
            raise ValueError(f"an image must be uint8 of shape (height, width, 3), not {given}")
        if image is not self._shown:
            self._image = image
        self._size = (image.shape[0], image.shape[1])
        self._pending: Homography | None = None
        self._filled: tuple[int, int] | None = None
        self._border = cv2.BORDER_CONSTANT
        self._dropped = False

    def transform(self, matrix: Homography, factor: float = 1.0) -> None:
        """Compose a matrix with the pending ones; polygons follow. The size of the view stays: see `crop`.

        Args:
            matrix: Maps pixels of the view to pixels of the new view, (3, 3).
            factor: How much smaller the matrix shows the image. Below 1, the pixels are averaged first: the
                warp alone would alias.
        """
        self._hide_dropped()
        self.polygons = apply_all(matrix, self.polygons)
        pending = matrix if self._pending is None else matrix @ self._pending
        self._pending = pending @ np.linalg.inv(self._average(factor))

    def resize(self, height: int, width: int) -> None:
        """Resize the view to `height` x `width` pixels, by averaging where it shrinks."""
        self._hide_dropped()
        fx, fy = width / self._size[1], height / self._size[0]
        self.polygons = resize_points(self.polygons, fx, fy)
        if self._pending is None:
            self.image = resize(self._image, height, width)
            return
        shrinking = self._average(min(1.0, max(fx, fy)))
        self._pending = resizing(fx, fy) @ self._pending @ np.linalg.inv(shrinking)
        self._size = (height, width)

    def crop(
        self,
        width: int,
        height: int,
        filled: np.ndarray | None = None,
        border: int = cv2.BORDER_CONSTANT,
    ) -> None:
        """Cut the view to the pixels from (0, 0) on, and drop the texts that lie entirely outside.

        Args:
            width: New width in pixels.
            height: New height in pixels.
            filled: (2,), the width and height within the crop that the image fills; the rest becomes black.
            border: OpenCV border mode for pixels that the image does not cover; black by default.
        """
        filled = np.array([width, height]) if filled is None else filled
        self._drop([not touches(polygon, filled) for polygon in self.polygons])
        self.polygons = [polygon.astype(np.float32) for polygon in self.polygons]
        columns, rows = np.ceil(filled - 1e-6).astype(int).tolist()
        if self._pending is None:
            self._pending = np.eye(3)
        self._size, self._filled, self._border = (height, width), (rows, columns), border

    def keep(self, chosen: Sequence[bool] | np.ndarray) -> None:
        """Keep the texts that are marked, each with its polygon and its flag, and drop the others."""
        places = np.flatnonzero(chosen)
        self.polygons = [self.polygons[place] for place in places]
        self.texts = [self.texts[place] for place in places]
        self.ignore = self.ignore[places]

    def drop_outside(self) -> None:
        """Drop the texts that lie entirely outside of the image."""
        self._drop(self._outside())

    def clip(self) -> None:
        """Cut polygons off at the border of the image, and drop the texts that lie entirely outside.

        Unlike after `crop`, no later step can then bring an outline without its text back into the image.
        """
        self.drop_outside()
        right, bottom = np.array(self._size[::-1]) - 0.5
        for place, polygon in enumerate(self.polygons):
            if polygon.min() < -0.5 or (polygon.max(axis=0) > (right, bottom)).any():
                self.polygons[place] = _clip(polygon, right, bottom)
        self.keep([len(polygon) > 0 for polygon in self.polygons])

    def add(self, polygon: Polygon, text: str, ignore: bool = False) -> None:
        """Add a text, with its polygon of shape (points, 2) in pixels of the view."""
        self.polygons.append(np.asarray(polygon, dtype=np.float32))
        self.texts.append(text)
        self.ignore = np.append(self.ignore, ignore)

    def fault(self) -> str | None:
        """Return what is wrong with the texts after an augmentation, and what its author can do, or `None`.

        If nothing is wrong, polygons are float32 and flags are bool afterwards.
        """
        counts = f"{len(self.polygons)} polygons, {len(self.texts)} texts and {len(self.ignore)} flags"
        if not len(self.polygons) == len(self.texts) == len(self.ignore):
            return f"it leaves {counts}: add a text with view.add, and drop it with view.keep"
        self.ignore = np.asarray(self.ignore, dtype=bool)
        self.polygons = [np.asarray(polygon, dtype=np.float32) for polygon in self.polygons]
        for polygon in self.polygons:
            if polygon.ndim != 2 or polygon.shape[1] != 2 or len(polygon) < 3:
                return f"it leaves a polygon of shape {polygon.shape}, which must be (3 or more points, 2)"
        if self.polygons and not np.isfinite(np.concatenate(self.polygons)).all():
            return "it leaves a polygon with coordinates that are not finite"
        if (outside := self._outside()).any():
            height, width = self._size
            return (
                f"it leaves {np.count_nonzero(outside)} of {len(outside)} polygons entirely outside of the "
                f"image of {width} x {height} pixels: move them with the pixels (view.transform), and drop "
                "those that leave the image (view.crop, view.drop_outside)"
            )
        return None

    def _outside(self) -> np.ndarray:
        """Return which polygons share no point with the image, by their bounding boxes: bool, (polygons,)."""
        if not self.polygons:
            return np.zeros(0, dtype=bool)
        starts = np.cumsum([0, *(len(polygon) for polygon in self.polygons[:-1])])
        points = np.concatenate(self.polygons)
        low, high = np.minimum.reduceat(points, starts), np.maximum.reduceat(points, starts)
        outside = (high <= -0.5) | (low >= np.array(self._size[::-1]) - 0.5)
        return np.asarray(outside.any(axis=1))

    def _drop(self, outside: Sequence[bool] | np.ndarray) -> None:
        self._dropped = self._dropped or bool(np.any(outside))
        self.keep(np.logical_not(outside))

    def _hide_dropped(self) -> None:
        """Apply what is pending if texts were dropped: a later matrix could show them again, unlabeled."""
        if self._dropped:
            self._render()

    def _average(self, factor: float) -> Homography:
        """Resize the stored pixels if the factor is below 1, and return the matrix of that change."""
        if factor >= 1:
            return np.eye(3)
        height, width = self._image.shape[:2]
        new_height, new_width = (max(1, round(side * factor)) for side in (height, width))
        self._image = resize(self._image, new_height, new_width)
        return resizing(new_width / width, new_height / height)

    def _render(self) -> Image:
        """Apply what is pending, and return the image."""
        if self._pending is not None:
            height, width = self._size
            image = warp(self._image, self._pending, width, height, self._border)
            if self._filled is not None:
                # Beyond the filled part, the warp also shows texts that the border of the crop cuts.
                image[self._filled[0] :] = 0
                image[:, self._filled[1] :] = 0
            self.image = image
        return self._image


def touches(polygon: Polygon, size: np.ndarray) -> bool:
    """Return whether the bounding box of a polygon reaches into an image of a width and height."""
    return bool((polygon.max(axis=0) > 0).all() and (polygon.min(axis=0) < np.asarray(size) - 1).all())


def _clip(polygon: Polygon, right: float, bottom: float) -> Polygon:
    """Return the largest part of a polygon within the pixels from 0; of shape (0, 2) if there is none."""
    import shapely  # few augmentations clip

    shape = shapely.make_valid(shapely.Polygon(polygon))
    rest = shapely.clip_by_rect(shape, -0.5, -0.5, right, bottom)
    parts = [part for part in shapely.get_parts(rest) if part.geom_type == "Polygon"]
    outline = shapely.get_coordinates(max(parts, key=shapely.area).exterior)[:-1] if parts else []
    return np.asarray(outline, dtype=np.float32).reshape(-1, 2)
