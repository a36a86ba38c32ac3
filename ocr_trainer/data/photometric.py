"""Photometric augmentation: light, lens, sensor and compression, without moving any pixel.

Images are uint8 of shape (height, width, 3), RGB. Functions keep the size and never change their input.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Protocol

import cv2
import numpy as np

from ocr_trainer.data.types import Image

NORMAL = np.array([NormalDist().inv_cdf((i + 0.5) / 256) for i in range(256)])
"""256 equally likely values of the standard normal distribution."""


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
    """Change the appearance of an image at random, in the order in which a camera would.

    Args:
        image: uint8 of shape (height, width, 3), RGB.
        config: Probabilities and strengths.
        rng: Random generator.
        unit: Number of pixels that `blur_sigma` is measured in, such as the height of a text line.
    """
    if config.color or config.color_cast:
        image = apply_table(image, draw_table(config.color, config.color_cast, rng))
    if occurs(config.gray, rng):
        image = gray(image)
    if occurs(config.blur, rng):
        image = blur(image, *rng.uniform(0, config.blur_sigma * unit, size=2))
    if occurs(config.noise, rng):
        image = add_noise(image, rng.uniform(0, config.noise_sigma), rng)
    if occurs(config.jpeg, rng):
        image = compress(image, int(rng.integers(config.jpeg_quality, 101)))
    return image


def occurs(share: float, rng: np.random.Generator) -> bool:
    """Return True with the given probability."""
    # Draw nothing for a disabled effect, so that adding an option does not change the draws of the others.
    return share > 0 and rng.random() < share


def draw_table(color: float, color_cast: float, rng: np.random.Generator) -> np.ndarray:
    """Draw a lookup table for the 256 values of a channel.

    Args:
        color: Largest change of contrast and brightness, as a fraction.
        color_cast: Largest attenuation of a single channel, as a fraction.
        rng: Random generator.

    Returns:
        uint8 of shape (256, 1) for all channels, or (256, 3) with a column for each channel.
    """
    table = np.arange(256.0)[:, None]
    if color:
        contrast, shift = 1 + rng.uniform(-color, color), 255 * rng.uniform(-color, color) / 2
        table = (table - 127.5) * contrast + 127.5 + shift
    if color_cast:
        table = table * (1 - rng.uniform(0, color_cast, size=3))
    return np.asarray(np.clip(table, 0, 255), dtype=np.uint8)


def apply_table(image: Image, table: np.ndarray) -> Image:
    """Replace each value of an image by its entry in a table from `draw_table`."""
    return np.asarray(cv2.LUT(image, table[None]))


def gray(image: Image) -> Image:
    """Convert an image to gray, keeping three equal channels."""
    return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


def blur(image: Image, sigma_x: float, sigma_y: float) -> Image:
    """Blur an image with a Gaussian of `sigma_x` and `sigma_y` pixels.

    Different sigmas look like camera shake along one axis.
    """
    # OpenCV reads a sigma of 0 as "derive it from the kernel size".
    return cv2.GaussianBlur(image, (0, 0), sigmaX=max(sigma_x, 0.01), sigmaY=max(sigma_y, 0.01))


def smear(image: Image, length: float, angle: float) -> Image:
    """Blur along a line, as if the camera or the text had moved.

    Args:
        image: uint8 of shape (height, width, 3).
        length: Length of the line in pixels.
        angle: Direction in degrees, counter-clockwise from the right.
    """
    reach = round(length / 2)
    if not reach:
        return image
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.uint8)
    step = reach * np.array([np.cos(np.radians(angle)), -np.sin(np.radians(angle))])
    start, end = np.rint([reach - step, reach + step]).astype(int).tolist()
    line = cv2.line(kernel, start, end, (1,)) / np.float32(1)
    return cv2.filter2D(image, -1, line / line.sum(), borderType=cv2.BORDER_REPLICATE)


def thicken(image: Image, size: int, strength: float) -> Image:
    """Thicken dark strokes.

    Args:
        image: uint8 of shape (height, width, 3).
        size: Side of the erosion kernel; strokes grow by up to `size` - 1 pixels.
        strength: Weight of the result, 0 to 1; the rest is the input.
    """
    return cv2.addWeighted(image, 1 - strength, cv2.erode(image, np.ones((size, size))), strength, 0)


def thin(image: Image, size: int, strength: float) -> Image:
    """Thin dark strokes.

    Args:
        image: uint8 of shape (height, width, 3).
        size: Side of the dilation kernel; strokes shrink by up to `size` - 1 pixels.
        strength: Weight of the result, 0 to 1; the rest is the input.
    """
    return cv2.addWeighted(image, 1 - strength, cv2.dilate(image, np.ones((size, size))), strength, 0)


def add_noise(image: Image, sigma: float, rng: np.random.Generator) -> Image:
    """Add Gaussian noise to each channel of each pixel; `sigma` is in gray levels."""
    # A table of quantiles is seven times as fast as drawing normal values.
    table = np.rint(sigma * NORMAL).astype(np.int16)
    noise = cv2.LUT(rng.integers(256, size=image.shape, dtype=np.uint8), table)
    return cv2.add(image, noise, dtype=cv2.CV_8U)


def compress(image: Image, quality: int) -> Image:
    """Encode an image as JPEG of quality 1 to 100 and decode it again."""
    _, data = cv2.imencode(
        ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)
