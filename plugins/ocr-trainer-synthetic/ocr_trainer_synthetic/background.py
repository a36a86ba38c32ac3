"""What is on a synthetic page besides words: paper, ink, clutter, grain."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

Color = tuple[int, int, int]

CONTRAST = 70
"""Least difference in lightness, of 255, between ink and the mean of what it is written on."""


def sheet(height: int, width: int, rng: np.random.Generator) -> Image.Image:
    """Make empty paper: plain, shaded or blotchy, light as a rule, ruled at times."""
    light = rng.uniform(190, 255) if rng.random() < 0.7 else rng.uniform(20, 190)
    color = light + rng.normal(0, 4 if rng.random() < 0.6 else 18, size=3)
    cells = rng.integers(1, 5, size=2)
    shading = rng.uniform(-1, 1, size=(*cells, 1)) * rng.uniform(0, 22)
    grid = np.clip(color + shading, 0, 255).astype(np.uint8)
    page = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)
    if rng.random() < 0.25:
        _rule(page, _towards(color, light - 40 if light > 128 else light + 40), rng)
    return page


def _rule(page: Image.Image, color: Color, rng: np.random.Generator) -> None:
    """Draw the lines of a ruled sheet, or of a table."""
    draw = ImageDraw.Draw(page)
    thickness = int(rng.integers(1, 3))
    pitch = int(rng.integers(14, 60))
    for y in range(int(rng.integers(pitch)), page.height, pitch):
        draw.line([(0, y), (page.width, y)], color, thickness)
    if rng.random() < 0.5:
        for x in rng.integers(page.width, size=rng.integers(1, 6)).tolist():
            draw.line([(x, 0), (x, page.height)], color, thickness)


def write(
    page: Image.Image,
    mask: Image.Image,
    place: tuple[int, int],
    outline: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Put ink on the page, sometimes over a panel of another color.

    Args:
        page: Is changed.
        mask: Gray: how much ink there is.
        place: Left and top of the mask on the page.
        outline: (4, 2), the corners of the block on the page.
        rng: What chance is drawn from.
    """
    if rng.random() < 0.15:
        ground = rng.uniform(0, 255)
        corners = [tuple(point) for point in outline.tolist()]
        ImageDraw.Draw(page).polygon(corners, _color(ground, rng))
    else:
        box = (*place, place[0] + mask.width, place[1] + mask.height)
        ground = np.array(page.resize((4, 4), Image.Resampling.NEAREST, box)).mean()
    page.paste(_ink(ground, rng), place, mask)


def _ink(ground: float, rng: np.random.Generator) -> Color:
    """Choose a color that can be read on a ground of the lightness given."""
    dark, light = ground - CONTRAST, 255 - (ground + CONTRAST)
    if rng.random() * (max(dark, 0) + max(light, 0)) < dark:
        return _color(dark * rng.random() ** 2, rng)
    return _color(255 - light * rng.random() ** 2, rng)


def _color(lightness: float, rng: np.random.Generator) -> Color:
    """Choose a color, gray or tinted, whose channels have the mean given."""
    tint = rng.normal(0, 1, size=3) * (rng.uniform(0, 60) if rng.random() < 0.4 else 0)
    return _towards(tint - tint.mean(), lightness)


def _towards(color: np.ndarray, lightness: float) -> Color:
    shifted = np.clip(color - color.mean() + lightness, 0, 255)
    return tuple(shifted.astype(int).tolist())


def clutter_sizes(room: tuple[int, int], rng: np.random.Generator) -> list[tuple[int, int]]:
    """Choose how much clutter a page has: the width and height of each piece."""
    sizes = np.multiply(room, rng.uniform(0.03, 0.3, size=(rng.integers(6), 2)))
    return [(width, height) for width, height in np.maximum(sizes, 6).astype(int).tolist()]


def clutter(
    page: Image.Image, place: tuple[int, int], size: tuple[int, int], rng: np.random.Generator
) -> None:
    """Draw something that is not text, to be told from it: a bar code, a stroke, a frame, a disc."""
    left, top = place
    right, bottom = left + size[0] - 1, top + size[1] - 1
    draw = ImageDraw.Draw(page)
    ground = float(np.mean(page.getpixel((left, top))))
    color = _ink(ground, rng)
    thickness = int(rng.integers(1, 4))
    match rng.integers(5):
        case 0:
            for x in range(left, right, int(rng.integers(2, 5))):
                if rng.random() < 0.6:
                    draw.line([(x, top), (x, bottom)], color, 1)
        case 1:
            draw.line([(left, top), (right, bottom)], color, thickness)
        case 2:
            draw.rectangle([left, top, right, bottom], outline=color, width=thickness)
        case 3:
            draw.ellipse([left, top, right, bottom], outline=color, width=thickness)
        case _:
            draw.ellipse([left, top, right, bottom], fill=color)


def grain(page: Image.Image, rng: np.random.Generator) -> np.ndarray:
    """Return the page as uint8 (height, width, 3), with the noise of a camera or a scanner."""
    pixels = np.array(page)
    if rng.random() < 0.3:
        return pixels
    strength = int(rng.integers(1, 16))
    noise = rng.integers(-strength, strength + 1, size=(*pixels.shape[:2], 1), dtype=np.int16)
    noisy = pixels + noise
    return np.clip(noisy, 0, 255, out=noisy).astype(np.uint8)
