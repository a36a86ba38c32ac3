"""Decoding against Pillow, and everything that is no image."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from PIL import ImageOps

from ocr_trainer.data.images import check_image, read_labeled
from ocr_trainer.data.listing import files_below
from ocr_trainer.errors import DataError
from ocr_trainer_runtime.images.kinds import FORMATS, is_image
from ocr_trainer_runtime.images.read import PIXEL_LIMIT, read_image

GRADIENT = np.dstack(
    np.broadcast_arrays(np.arange(0, 240, 5)[None], np.arange(0, 200, 5)[:, None], 77)
).astype(np.uint8)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and has no pixels."""
    ihdr = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((13, ihdr), (0, b"IDAT"))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", length) + data + struct.pack(">I", zlib.crc32(data)) for length, data in chunks
    )


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "webp"])
def test_lossless_images_are_read_as_rgb(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a b, c&d.{suffix}"
    Pillow.fromarray(GRADIENT).save(path, **({"lossless": True} if suffix == "webp" else {}))
    image = read_image(path)
    assert image.dtype == np.uint8
    assert np.array_equal(image, GRADIENT)
    assert check_image(path) is None


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "1", "I;16"])
def test_every_color_mode_gives_three_channels(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "x.png"
    gray = Pillow.fromarray(GRADIENT).convert("L")
    stored = (
        Pillow.fromarray(np.asarray(gray).astype(np.uint16) * 257) if mode == "I;16" else gray.convert(mode)
    )
    stored.save(path)
    expected = np.asarray(gray if mode == "I;16" else stored.convert("RGB").convert("L"))
    assert np.array_equal(read_image(path), np.dstack([expected] * 3))


def test_a_cmyk_jpeg_has_the_colours_that_pillow_sees(tmp_path: Path) -> None:
    path = tmp_path / "x.jpg"
    Pillow.new("RGB", (32, 16), (200, 40, 10)).convert("CMYK").save(path, quality=95)
    expected = np.asarray(Pillow.open(path).convert("RGB")).astype(int)
    assert np.abs(read_image(path) - expected).max() <= 4


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_an_image_is_read_as_it_is_shown(tmp_path: Path, suffix: str, orientation: int) -> None:
    path = tmp_path / f"x.{suffix}"
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    Pillow.fromarray(GRADIENT).save(path, exif=exif)
    with Pillow.open(path) as image:
        shown = np.asarray(ImageOps.exif_transpose(image)).astype(int)
    assert read_image(path).shape == shown.shape
    assert np.abs(read_image(path) - shown).max() <= 4


def test_outlines_are_of_stored_pixels_unless_their_size_says_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    exif = Pillow.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees to view
    Pillow.fromarray(GRADIENT).save(path, exif=exif)
    stored = GRADIENT.shape[:2]
    for size in (None, stored, (1, 1)):
        assert np.array_equal(read_labeled(path, size), GRADIENT)
    assert np.array_equal(read_labeled(path, stored[::-1]), read_image(path))


@pytest.mark.parametrize("mode", ["LA", "RGBA", "P"])
def test_what_is_transparent_is_on_white(tmp_path: Path, mode: str) -> None:
    picture = Pillow.new("RGBA", (30, 20), (0, 0, 0, 0))  # as a text is exported: black on nothing
    picture.paste((0, 0, 0, 255), (5, 5, 10, 10))
    picture.paste((0, 0, 0, 128), (15, 5, 20, 10))
    path = tmp_path / "x.png"
    picture.convert(mode).save(path)
    image = read_image(path)
    assert (image[7, 7].tolist(), image[0, 0].tolist()) == ([0] * 3, [255] * 3)
    assert mode == "P" or abs(int(image[7, 17, 0]) - 127) <= 1


def test_the_content_counts_and_not_the_suffix(tmp_path: Path) -> None:
    path = tmp_path / "x.jpg"
    Pillow.fromarray(GRADIENT).save(path, format="PNG")
    assert np.array_equal(read_image(path), GRADIENT)


def truncated(kind: str, part: float) -> bytes:
    from io import BytesIO

    rng = np.random.default_rng(0)
    file = BytesIO()
    Pillow.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(file, format=kind)
    return file.getvalue()[: int(len(file.getvalue()) * part)]


BROKEN = {
    "empty": b"",
    "text": b"933,255,954,255,956,277,936,277,###\n",
    "one byte": b"\xff",
    "JPEG magic": b"\xff\xd8\xff\xe0",
    "PNG magic": b"\x89PNG\r\n\x1a\n",
    "half a JPEG": truncated("JPEG", 0.5),
    "most of a JPEG": truncated("JPEG", 0.95),
    "half a PNG": truncated("PNG", 0.5),
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
    "PNG without pixels": png_header(8, 8),
    "PNG of size 0": png_header(0, 8),
    "PNG bomb": png_header(60_000, 60_000),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_what_is_no_image_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.jpg"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"broken\.jpg"):
        read_image(path)


@pytest.mark.parametrize("name", ["empty", "text", "one byte", "EPS", "PNG of size 0", "PNG bomb"])
def test_the_header_tells_without_decoding(tmp_path: Path, name: str) -> None:
    path = tmp_path / "broken.jpg"
    path.write_bytes(BROKEN[name])
    assert check_image(path)


def test_the_limit_is_met_before_decoding(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(png_header(PIXEL_LIMIT // 1000 + 1, 1000))
    assert check_image(path) == f"it has {PIXEL_LIMIT // 1000 + 1} x 1000 pixels, more than {PIXEL_LIMIT:,}"
    path.write_bytes(png_header(PIXEL_LIMIT // 1000, 1000))
    assert check_image(path) is None


def test_a_missing_file_a_folder_and_an_impossible_name(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.jpg", tmp_path, Path("a\0b.jpg")):
        assert check_image(path)
        with pytest.raises(DataError):
            read_image(path)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(
        [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*", b"BM", b"RIFF\x24\0\0\0WEBPVP8 "]
    ),
    st.binary(max_size=300),
)
def test_random_bytes_give_an_image_or_a_data_error(tmp_path: Path, magic: bytes, rest: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(magic + rest)
    reason = check_image(path)
    try:
        image = read_image(path)
    except DataError:
        return
    assert reason is None
    assert image.ndim == 3


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(FORMATS), st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=8))
def test_flipped_bytes_give_an_image_or_a_data_error(
    tmp_path: Path, kind: str, flips: list[tuple[int, int]]
) -> None:
    data = bytearray(truncated(kind, 1))
    for place, value in flips:
        data[place % min(len(data), 200)] = value  # among the headers
    path = tmp_path / "x"
    path.write_bytes(data)
    try:
        image = read_image(path)
    except DataError:
        return
    assert image.shape[2] == 3


def test_names(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.jpeg", "C.Tiff", ".hidden.png", "._a.jpg", "x.txt", "y.webp"):
        (tmp_path / name).touch()
    (tmp_path / "folder.jpg").mkdir()
    found = [name for name in files_below(tmp_path, nested=False) if is_image(Path(name))]
    assert found == ["C.Tiff", "a.jpeg", "b.JPG", "y.webp"]
    with pytest.raises(DataError, match="cannot list the folder"):
        files_below(tmp_path / "missing", nested=False)
