"""Everything on a page besides the words: paper, colors, clutter, noise."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

Color = tuple[int, int, int]

CONTRAST = 70
"""Smallest difference in lightness, out of 255, between ink and the mean of its background."""


def make_paper(height: int, width: int, rng: np.random.Generator) -> Image.Image:
    """Return empty paper, mode RGB: mostly light; plain, shaded or blotchy; sometimes ruled."""
    light = rng.uniform(190, 255) if rng.random() < 0.7 else rng.uniform(20, 190)
    color = light + rng.normal(0, 4 if rng.random() < 0.6 else 18, size=3)
    cells = rng.integers(1, 5, size=2)
    shading = rng.uniform(-1, 1, size=(*cells, 1)) * rng.uniform(0, 22)
    grid = np.clip(color + shading, 0, 255).astype(np.uint8)
    page = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)
    if rng.random() < 0.25:
        _draw_rules(page, _with_lightness(color, light - 40 if light > 128 else light + 40), rng)
    return page


def _draw_rules(page: Image.Image, color: Color, rng: np.random.Generator) -> None:
    """Draw the lines of ruled paper or of a table."""
    draw = ImageDraw.Draw(page)
    thickness = int(rng.integers(1, 3))
    pitch = int(rng.integers(14, 60))
    for y in range(int(rng.integers(pitch)), page.height, pitch):
        draw.line([(0, y), (page.width, y)], color, thickness)
    if rng.random() < 0.5:
        for x in rng.integers(page.width, size=rng.integers(1, 6)).tolist():
            draw.line([(x, 0), (x, page.height)], color, thickness)


def draw_ink(
    page: Image.Image,
    mask: Image.Image,
    place: tuple[int, int],
    outline: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Draw ink on a page in a color that is readable there, sometimes on a panel of another color.

    Args:
        page: Changed in place.
        mask: Coverage of the ink, mode L.
        place: Left and top of the mask on the page, in pixels.
        outline: Corners of the block on the page, (4, 2): x and y in pixels.
        rng: Generator for all random choices.
    """
    if rng.random() < 0.15:
        background = rng.uniform(0, 255)
        corners = [tuple(point) for point in outline.tolist()]
        ImageDraw.Draw(page).polygon(corners, _random_color(background, rng))
    else:
        box = (*place, place[0] + mask.width, place[1] + mask.height)
        background = np.array(page.resize((4, 4), Image.Resampling.NEAREST, box)).mean()
    page.paste(_readable_color(background, rng), place, mask)


def _readable_color(background: float, rng: np.random.Generator) -> Color:
    """Return a random color with enough contrast to a background of this mean lightness."""
    dark, light = background - CONTRAST, 255 - (background + CONTRAST)
    if rng.random() * (max(dark, 0) + max(light, 0)) < dark:
        return _random_color(dark * rng.random() ** 2, rng)
    return _random_color(255 - light * rng.random() ** 2, rng)


def _random_color(lightness: float, rng: np.random.Generator) -> Color:
    """Return a random color, gray or tinted, with this mean of its channels."""
    tint = rng.normal(0, 1, size=3) * (rng.uniform(0, 60) if rng.random() < 0.4 else 0)
    return _with_lightness(tint - tint.mean(), lightness)


def _with_lightness(color: np.ndarray, lightness: float) -> Color:
    """Return a color shifted so that the mean of its channels is `lightness`."""
    shifted = np.clip(color - color.mean() + lightness, 0, 255)
    return tuple(shifted.astype(int).tolist())


def clutter_sizes(page_size: tuple[int, int], rng: np.random.Generator) -> list[tuple[int, int]]:
    """Return the width and height of each piece of clutter on a page, in pixels; none to five."""
    sizes = np.multiply(page_size, rng.uniform(0.03, 0.3, size=(rng.integers(6), 2)))
    return [(width, height) for width, height in np.maximum(sizes, 6).astype(int).tolist()]


def draw_clutter(
    page: Image.Image, place: tuple[int, int], size: tuple[int, int], rng: np.random.Generator
) -> None:
    """Draw something that a detector must not take for text: a bar code, stroke, frame, circle or disc."""
    left, top = place
    right, bottom = left + size[0] - 1, top + size[1] - 1
    draw = ImageDraw.Draw(page)
    pixel = page.getpixel((left, top))
    assert isinstance(pixel, tuple), "the page is RGB"
    background = float(np.mean(pixel))
    color = _readable_color(background, rng)
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


def add_noise(page: Image.Image, rng: np.random.Generator) -> np.ndarray:
    """Return the page as uint8, (height, width, 3), mostly with the noise of a camera or a scanner."""
    pixels = np.array(page)
    if rng.random() < 0.3:
        return pixels
    strength = int(rng.integers(1, 16))
    noise = rng.integers(-strength, strength + 1, size=(*pixels.shape[:2], 1), dtype=np.int16)
    noisy = pixels + noise  # int16: a sum in uint8 would wrap around
    return np.clip(noisy, 0, 255, out=noisy).astype(np.uint8)
