"""TIFF of every kind of pixels, and 16-bit PNG: converted by their range, or refused with the reason."""

from __future__ import annotations

import io

import numpy as np
import pytest
from helpers.tiff import tiff
from PIL import Image as Pillow
from PIL import ImageOps

from ocr_trainer.errors import DataError
from ocr_trainer_runtime.images.read import decode_image

RAMP = np.tile(np.linspace(0, 1, 64), (8, 1))
COLORS = np.dstack([RAMP, RAMP[:, ::-1], RAMP / 2])
RGBA = np.dstack([COLORS, np.ones_like(RAMP)])
HALF = [(338, 3, [2])]
"""The last sample says how opaque a pixel is."""


def nibbles(values: np.ndarray) -> bytes:
    return bytes((values[:, ::2] << 4 | values[:, 1::2]).astype(np.uint8))


def twelve(values: np.ndarray) -> bytes:
    one, two = values[:, ::2], values[:, 1::2]
    return np.dstack([one >> 4, (one & 15) << 4 | two >> 8, two & 255]).astype(np.uint8).tobytes()


GRAY = {
    "8 bits": tiff((RAMP * 255).astype("u1"), 8),
    "4 bits": tiff(RAMP, 4, None, packed=nibbles((RAMP * 15).round().astype("u1"))),
    "12 bits, packed": tiff(RAMP, 12, None, packed=twelve((RAMP * 4095).astype("u2"))),
    "16 bits": tiff((RAMP * 65535).astype("u2"), 16),
    "16 bits, high byte first": tiff((RAMP * 65535).astype("u2"), 16, order=">"),
    "10 bits in 16": tiff((RAMP * 1023).astype("u2"), 16),
    "12 bits in 16": tiff((RAMP * 4095).astype("u2"), 16),
    "14 bits in 16": tiff((RAMP * 16383).astype("u2"), 16),
    "stated range": tiff((RAMP * 1000).astype("u2"), 16, more=[(340, 3, [0]), (341, 3, [1000])]),
    "stated maximum": tiff((RAMP * 600).astype("u2"), 16, more=[(281, 3, [600])]),
    "32 bits": tiff((RAMP * (2**32 - 1)).astype("u4"), 32),
    "18 bits in 32": tiff((RAMP * 255000).astype("u4"), 32),
    "25 bits in 32": tiff((RAMP * 2e7).astype("u4"), 32),
    "signed 8 bits": tiff((RAMP * 255 - 128).astype("i1"), 8, 2),
    "signed 16 bits": tiff((RAMP * 65535 - 32768).astype("i2"), 16, 2),
    "signed 32 bits": tiff((RAMP * 2e6 - 1e6).astype("i4"), 32, 2),
    "float 0 to 1": tiff(RAMP.astype("f4"), 32, 3),
    "float 0 to 255": tiff((RAMP * 255).astype("f4"), 32, 3),
    "float 0 to 7, stated": tiff((RAMP * 7).astype("f4"), 32, 3, more=[(340, 11, [0]), (341, 11, [7])]),
    "float 0 to 1000": tiff((RAMP * 1000).astype("f4"), 32, 3),
    "float -3 to 4": tiff((RAMP * 7 - 3).astype("f4"), 32, 3),
    "float, high byte first": tiff(RAMP.astype("f4"), 32, 3, order=">"),
    "float of 64 bits": tiff(RAMP.astype("f8"), 64, 3),
    "white is 0": tiff((255 - RAMP * 255).astype("u1"), 8, photometric=0),
    "16 bits, white is 0": tiff(65535 - (RAMP * 65535).astype("u2"), 16, photometric=0),
    "float, white is 0": tiff((1 - RAMP).astype("f4"), 32, 3, photometric=0),
    "palette": tiff((RAMP * 255).astype("u1"), 8, photometric=3, more=[(320, 3, [n * 257 for n in range(256)] * 3)]),
}  # fmt: skip


@pytest.mark.parametrize("name", GRAY)
def test_a_gray_ramp_is_a_ramp_from_black_to_white(name: str, capfd: pytest.CaptureFixture[str]):
    image = decode_image(GRAY[name], f"{name}.tif")
    assert (image == image[..., :1]).all()
    # A level of 4 bits is 17 wide.
    assert np.abs(image[..., 0] - 255 * RAMP).max() <= (9 if "4 bits" in name and "1" not in name else 1.01)
    assert (image[0, 0, 0], image[0, -1, 0]) == (0, 255)
    assert capfd.readouterr() == ("", "")


COLORED = {
    "8 bits": tiff((COLORS * 255).astype("u1"), 8, photometric=2),
    "16 bits": tiff((COLORS * 65535).astype("u2"), 16, photometric=2),
    "16 bits, in planes": tiff((COLORS * 65535).astype("u2"), 16, photometric=2, planar=2),
    "12 bits in 16": tiff((COLORS * 4095).astype("u2"), 16, photometric=2),
    "float": tiff(COLORS.astype("f4"), 32, 3, 2),
    "8 bits, opaque": tiff((RGBA * 255).astype("u1"), 8, photometric=2, more=HALF),
    "16 bits, opaque": tiff((RGBA * 65535).astype("u2"), 16, photometric=2, more=HALF),
    "float, opaque": tiff(RGBA.astype("f4"), 32, 3, 2, HALF),
}


@pytest.mark.parametrize("name", COLORED)
def test_colors_are_in_the_order_red_green_blue(name: str):
    assert np.abs(decode_image(COLORED[name], "x") - 255 * COLORS).max() <= 1.01


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_what_is_transparent_is_white(dtype: str):
    most = 1.0 if dtype == "f4" else np.iinfo(dtype).max
    clear = np.zeros((4, 6, 4))
    clear[:, 3:, 3] = most  # black on the right
    image = decode_image(
        tiff(clear.astype(dtype), clear.astype(dtype).itemsize * 8, 3 if dtype == "f4" else 1, 2, HALF), "x"
    )
    assert (image[:, :3] == 255).all()
    assert (image[:, 3:] == 0).all()


def test_pixels_without_a_number_are_white():
    pixels = RAMP.astype("f4")
    pixels[0, :3] = np.nan
    image = decode_image(tiff(pixels, 32, 3), "x")
    assert (image[0, :3] == 255).all()
    assert np.abs(image[1:, :, 0] - 255 * RAMP[1:]).max() <= 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (tiff(RAMP.astype("f2"), 16, 3), "a TIFF with one sample per pixel, 16-bit floating-point numbers cannot be read"),
        (tiff(RAMP.astype("c8"), 64, 6), "a TIFF with one sample per pixel, 64-bit complex numbers cannot be read"),
        (tiff(np.dstack([RAMP] * 5).astype("u1"), 8), "a TIFF with 5 samples per pixel, 8-bit integers cannot be read"),
        (tiff(RAMP.astype("f4") * np.nan, 32, 3), "none of its pixels is a finite number"),
        (GRAY["16 bits"][:700], "it is truncated"),
        (GRAY["float 0 to 1"][:700], "it is truncated"),
        (b"II*\0\x08\0\0\0\x05", "header"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:invalid value")
def test_what_cannot_be_read_is_refused_with_the_true_reason(
    content: bytes, reason: str, capfd: pytest.CaptureFixture[str]
):
    with pytest.raises(DataError, match=reason):
        decode_image(content, "x.tif")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_the_orientation_is_applied_as_pillow_applies_it(dtype: str, orientation: int):
    most = np.iinfo(dtype).max
    corner = COLORS * RAMP.T[:8, :1] if False else COLORS * np.linspace(0.2, 1, 8)[:, None, None]
    content = tiff(
        (corner * most).astype(dtype),
        np.dtype(dtype).itemsize * 8,
        photometric=2,
        more=[(274, 3, [orientation])],
    )
    stored = Pillow.fromarray((corner * 255).astype(np.uint8))
    stored.getexif()[274] = orientation
    shown = np.asarray(ImageOps.exif_transpose(stored)).astype(int)
    image = decode_image(content, "x")
    assert image.shape == shown.shape
    assert np.abs(image - shown).max() <= 1


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(pixels).save(file, format="PNG")
    return file.getvalue()


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_a_png_of_fewer_bits_in_16_reaches_white(bits: int):
    image = decode_image(png((RAMP * (2**bits - 1)).astype(np.uint16)), "x.png")
    assert np.abs(image[..., 0] - 255 * RAMP).max() <= 1.01
