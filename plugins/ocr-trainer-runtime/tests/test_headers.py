"""Headers, orientation and transparency without Pillow, held against Pillow."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from ocr_trainer_runtime.images import header, pillow
from ocr_trainer_runtime.images.alpha import on_white
from ocr_trainer_runtime.images.kinds import FORMATS
from ocr_trainer_runtime.images.read import decode_image

CASES = [
    *[(form, "RGB", {}) for form in ("JPEG", "PNG", "WEBP", "BMP")],
    *[(form, "L", {}) for form in ("JPEG", "PNG", "BMP")],
    *[("PNG", mode, {}) for mode in ("1", "P", "LA", "RGBA")],
    *[("WEBP", "RGBA", {"lossless": lossless}) for lossless in (True, False)],
    *[("WEBP", "RGB", {"lossless": True}), ("JPEG", "CMYK", {}), ("JPEG", "RGB", {"progressive": True})],
    *[("PNG", "P", {"transparency": 3}), ("PNG", "RGB", {"icc_profile": bytes(500)})],
]


def saved(form: str, mode: str, orientation: int | None, options: dict[str, Any]) -> bytes:
    rng = np.random.default_rng(0)
    image = Pillow.fromarray(rng.integers(0, 256, (37, 53, 4), dtype=np.uint8), "RGBA").convert(mode)
    if orientation is not None:
        exif = Pillow.Exif()
        exif[0x0112] = orientation
        options = {**options, "exif": exif}
    image.save(file := io.BytesIO(), form, **options)
    return file.getvalue()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("orientation", [None, 1, 3, 6, 8])
@pytest.mark.parametrize(("form", "mode", "options"), CASES)
def test_headers_say_what_pillow_says(form: str, mode: str, options: dict[str, Any], orientation: int | None):
    if form == "BMP" and orientation is not None:
        pytest.skip("BMP has no EXIF")
    data = saved(form, mode, orientation, options)
    found = header.read(io.BytesIO(data))
    with pillow.opened(io.BytesIO(data), FORMATS) as image:
        shown = (image.size[::-1], image.has_transparency_data, pillow.orientation_of(image))
        expected = pillow.on_white(image)
    assert found is not None, "it is usual, so it needs no Pillow"
    assert found == shown
    if orientation in (None, 1) and form != "JPEG":  # decoders of JPEG differ by a few levels
        assert np.abs(decode_image(data, "it").astype(int) - expected).max() <= (2 if form == "WEBP" else 0)


def test_pixels_on_white_are_those_of_pillow():
    pixels = np.random.default_rng(1).integers(0, 256, (256, 256, 4), dtype=np.uint8)
    assert np.array_equal(on_white(pixels), pillow.on_white(Pillow.fromarray(pixels)))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "BMP"])
def test_a_truncated_header_is_left_to_pillow(form: str):
    data = saved(form, "RGB", None, {})
    for length in range(30):
        assert header.read(io.BytesIO(data[:length])) is None
