"""What a picture looks like, while everything stays in its place: light, lens, sensor and file.

Images are uint8, (height, width, 3), RGB, and keep their size. None is changed in place.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Protocol

import cv2
import numpy as np

from ocr_trainer.data.types import Image

NORMAL = np.array([NormalDist().inv_cdf((i + 0.5) / 256) for i in range(256)])
"""The normal distribution in 256 values that are equally likely."""


class PhotometricOptions(Protocol):
    """The options that `vary` reads; the augment section of every task has them."""

    color: float
    color_cast: float
    gray: float
    blur: float
    blur_sigma: float
    noise: float
    noise_sigma: float
    jpeg: float
    jpeg_quality: int


def vary(image: Image, config: PhotometricOptions, rng: np.random.Generator, unit: float = 1.0) -> Image:
    """Change the look of an image as far as the options allow, in the order in which a camera would.

    Args:
        image: The image.
        config: The options.
        rng: What chance follows from.
        unit: How many pixels the options' lengths are counted in.
    """
    if config.color or config.color_cast:
        image = recolour(image, draw_table(config.color, config.color_cast, rng))
    if happens(config.gray, rng):
        image = gray(image)
    if happens(config.blur, rng):
        image = blur(image, *rng.uniform(0, config.blur_sigma * unit, size=2))
    if happens(config.noise, rng):
        image = add_noise(image, rng.uniform(0, config.noise_sigma), rng)
    if happens(config.jpeg, rng):
        image = compress(image, int(rng.integers(config.jpeg_quality, 101)))
    return image


def happens(share: float, rng: np.random.Generator) -> bool:
    """Draw whether something happens in so many of all cases."""
    # Nothing is drawn for what is switched off: the rest then stays as it was without the option.
    return share > 0 and rng.random() < share


def draw_table(color: float, tint: float, rng: np.random.Generator) -> np.ndarray:
    """Draw what becomes of each value: uint8, (256, 1) for all channels or (256, 3) for each."""
    table = np.arange(256.0)[:, None]
    if color:
        contrast, shift = 1 + rng.uniform(-color, color), 255 * rng.uniform(-color, color) / 2
        table = (table - 127.5) * contrast + 127.5 + shift
    if tint:
        table = table * (1 - rng.uniform(0, tint, size=3))
    return np.clip(table, 0, 255).astype(np.uint8)


def recolour(image: Image, table: np.ndarray) -> Image:
    """Replace each value by what the table has for it."""
    return cv2.LUT(image, table[None])


def gray(image: Image) -> Image:
    """Take the colors away."""
    return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


def blur(image: Image, sigma_x: float, sigma_y: float) -> Image:
    """Blur by so many pixels along x and y; where they differ, as if the camera had been shaken."""
    # OpenCV takes 0 as "guess".
    return cv2.GaussianBlur(image, (0, 0), sigmaX=max(sigma_x, 0.01), sigmaY=max(sigma_y, 0.01))


def smear(image: Image, length: float, angle: float) -> Image:
    """Blur along a line of so many pixels, at an angle in degrees, as if camera or text had moved."""
    reach = round(length / 2)
    if not reach:
        return image
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.uint8)
    step = reach * np.array([np.cos(np.radians(angle)), -np.sin(np.radians(angle))])
    ends = np.rint([reach - step, reach + step]).astype(int).tolist()
    line = cv2.line(kernel, *ends, 1) / np.float32(1)
    return cv2.filter2D(image, -1, line / line.sum(), borderType=cv2.BORDER_REPLICATE)


def thicken(image: Image, size: int, strength: float) -> Image:
    """Make what is dark thicker by up to `size` - 1 pixels, mixed with the image by `strength`, 0 to 1."""
    return cv2.addWeighted(image, 1 - strength, cv2.erode(image, np.ones((size, size))), strength, 0)


def thin(image: Image, size: int, strength: float) -> Image:
    """Make what is dark thinner by up to `size` - 1 pixels, mixed with the image by `strength`, 0 to 1."""
    return cv2.addWeighted(image, 1 - strength, cv2.dilate(image, np.ones((size, size))), strength, 0)


def add_noise(image: Image, sigma: float, rng: np.random.Generator) -> Image:
    """Add normal noise of so many gray levels to each channel of each pixel."""
    # A table of quantiles: seven times as fast as drawing from the normal distribution itself.
    table = np.rint(sigma * NORMAL).astype(np.int16)
    noise = cv2.LUT(rng.integers(256, size=image.shape, dtype=np.uint8), table)
    return cv2.add(image, noise, dtype=cv2.CV_8U)


def compress(image: Image, quality: int) -> Image:
    """Write the image as JPEG, quality 1 to 100, and read it again."""
    _, data = cv2.imencode(
        ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
