"""Pixels per unit of an ALTO page, from its size and the size of its image."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ocr_trainer.data.images import stored_size
from ocr_trainer.errors import DataError
from ocr_trainer.plugin.options import ExifOrientation
from ocr_trainer_runtime.images.orientation import Size, shown_size
from ocr_trainer_xml.plugin import Unit

PER_INCH = {Unit.mm10: 254, Unit.inch1200: 1200}
"""Units that need a resolution: tenths of a millimeter and 1/1200 inch."""

TOLERANCE = 0.02
"""Sides that differ by less are equal: programs round, and pages are cut by a few pixels."""

NEITHER = (
    "it states neither a MeasurementUnit nor the size of its page: read as pixels; if its labels lie beside"
    " the text, set dataset.unit and dataset.dpi"
)
"""What the user is told of a page whose scale nothing confirms."""

Sides = tuple[float, float]
"""Height and width, in units of the page."""


class Scale(NamedTuple):
    """What turns coordinates of a page into pixels."""

    y: float = 1.0
    x: float = 1.0
    exif: ExifOrientation = ExifOrientation.auto
    """The frame that has the proportions of the page, if only one has."""
    note: str = ""
    """What the user should know about it."""


class _Frame(NamedTuple):
    exif: ExifOrientation
    size: Size


def scale_of(
    page: Sides | None, unit: Unit | None, dpi: float | None, image: Path | None, annotation: Path
) -> Scale:
    """Return the scale of a page.

    Args:
        page: Its size in its units, if known.
        unit: Its unit, if known.
        dpi: Resolution that the user states.
        image: Its image, if known.
        annotation: Its file, for messages.

    Raises:
        DataError: The scale is unknown, or the resolution contradicts the sizes of the page and its image.
    """
    if unit is Unit.pixel:
        return Scale()
    if unit is None and dpi is not None:
        raise DataError(
            f"'{annotation}' states no MeasurementUnit, so dataset.dpi={dpi:g} cannot be applied: set"
            " dataset.unit=mm10 or inch1200, or leave dataset.dpi out to scale the page to its image"
        )
    frames = _frames(image) if image and page else []
    if unit is None:
        return _without_unit(page, frames, annotation)
    if dpi is None:
        return _fitted(page, frames, unit, annotation)
    if page and frames:
        _check(page, frames, unit, dpi, annotation)
    scale, fitted = dpi / PER_INCH[unit], _fit(page, frames) if page else None
    return Scale(scale, scale, fitted.exif if fitted else ExifOrientation.auto)


def _frames(image: Path) -> list[_Frame]:
    """Return the sizes that an image may have had for the program that wrote the page."""
    stored, orientation = stored_size(image)
    frames = [_Frame(ExifOrientation.ignored, stored)]
    shown = shown_size(stored, orientation)
    return frames if shown == stored else [*frames, _Frame(ExifOrientation.applied, shown)]


def _fits(page: Sides, size: Size) -> bool:
    """Return whether a page has the proportions of an image; its sides may be rounded."""
    vertical, horizontal = size[0] / page[0], size[1] / page[1]
    return abs(vertical / horizontal - 1) <= TOLERANCE + 0.5 / page[0] + 0.5 / page[1]


def _fit(page: Sides, frames: list[_Frame]) -> Scale | None:
    fitting = [frame for frame in frames if _fits(page, frame.size)]
    if not fitting:
        return None
    height, width = fitting[0].size
    exif = fitting[0].exif if len(fitting) < len(frames) else ExifOrientation.auto
    return Scale(height / page[0], width / page[1], exif)


def _without_unit(page: Sides | None, frames: list[_Frame], annotation: Path) -> Scale:
    # Most files without a unit are in pixels.
    if page is None:
        return Scale(note=NEITHER)
    if not frames or any(page == frame.size for frame in frames):
        return Scale()
    if scale := _fit(page, frames):
        return scale._replace(
            note=f"it states no MeasurementUnit: its page of {_sides(page)} is scaled to its image of"
            f" {_sides(frames[0].size)} pixels; dataset.unit says otherwise"
        )
    raise DataError(
        f"'{annotation}' states no MeasurementUnit, and its page of {_sides(page)} does not have the"
        f" proportions of its image of {_sides(frames[0].size)} pixels: set dataset.unit, and dataset.dpi"
        " if it is not pixel"
    )


def _fitted(page: Sides | None, frames: list[_Frame], unit: Unit, annotation: Path) -> Scale:
    if page and frames and (scale := _fit(page, frames)):
        return scale
    why = "does not give the size of its page"
    if page and frames:
        why = (
            f"has a page of {_sides(page)}, without the proportions of its image of"
            f" {_sides(frames[0].size)} pixels"
        )
    raise DataError(
        f"'{annotation}' measures in {unit.value} and {why}: set the resolution of its image in dots per inch"
        " (dataset.dpi=300), or export it with the MeasurementUnit pixel"
    )


def _check(page: Sides, frames: list[_Frame], unit: Unit, dpi: float, annotation: Path) -> None:
    """Refuse a resolution at which the page has another size than its image."""
    expected = tuple(side * dpi / PER_INCH[unit] for side in page)
    for frame in frames:
        pairs = zip(expected, frame.size, page, strict=True)
        if all(abs(have / side - 1) <= TOLERANCE + 0.5 / units for have, side, units in pairs):
            return
    height, width = (size * PER_INCH[unit] / side for size, side in zip(frames[0].size, page, strict=True))
    own = f"{width:.0f}" if abs(width / height - 1) <= TOLERANCE else f"{width:.0f} x {height:.0f}"
    raise DataError(
        f"'{annotation}': at dataset.dpi={dpi:g}, its page of {_sides(page)} {unit.value} has"
        f" {expected[1]:.0f} x {expected[0]:.0f} pixels, but its image has {_sides(frames[0].size)}, which"
        f" makes {own} dpi: leave dataset.dpi out to scale each page to its image"
    )


def _sides(size: Sides) -> str:
    return f"{size[1]:g} x {size[0]:g}"
