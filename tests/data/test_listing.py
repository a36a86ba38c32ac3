"""Which files of a folder are images: by suffix, by content, in subfolders; and what else there is."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import features

from ocr_trainer.data.images import check_image
from ocr_trainer.data.listing import count_by_suffix, files_below, is_image_file
from ocr_trainer.errors import DataError
from ocr_trainer_runtime.images.kinds import FORMATS, MORE_FORMATS, decodable, kind_of
from ocr_trainer_runtime.images.read import read_image

PAGE = np.full((24, 32, 3), 230, np.uint8)
PAGE[8:16, 4:28] = (200, 30, 30)
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0heicmif1"

with_jpeg_2000 = pytest.mark.skipif(not features.check("jpg_2000"), reason="Pillow has no JPEG 2000 here")


def encoded(kind: str) -> bytes:
    data = io.BytesIO()
    Pillow.fromarray(PAGE).save(data, kind)
    return data.getvalue()


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_known_by_its_first_bytes(kind: str):
    assert kind_of(encoded(kind)[:16]) == kind


@pytest.mark.parametrize("name", ["a.jfif", "photo", "a.jpg.download", "a.JPG_large", "a.tmp"])
@pytest.mark.parametrize("kind", FORMATS)
def test_content_decides(tmp_path: Path, name: str, kind: str):
    path = tmp_path / name
    path.write_bytes(encoded(kind))
    assert is_image_file(path)
    assert np.abs(read_image(path).astype(int) - PAGE).mean() < 10


@pytest.mark.parametrize("content", [b"", b"10,10,20,10\n", b"%PDF-1.7", b"RIFF....WAVE", b"GIF89a"])
def test_other_files_are_no_images(tmp_path: Path, content: bytes):
    for name in ("a.bin", "b", "c.txt"):
        (tmp_path / name).write_bytes(content)
        assert not is_image_file(tmp_path / name)
    (tmp_path / "d.jpg").write_bytes(content)
    assert is_image_file(tmp_path / "d.jpg")  # a damaged image, to be reported as one


@with_jpeg_2000
@pytest.mark.parametrize("name", ["a.jp2", "a.bin"])
def test_jpeg_2000_is_read(tmp_path: Path, name: str):
    (tmp_path / name).write_bytes(encoded("JPEG2000"))
    assert is_image_file(tmp_path / name)
    assert check_image(tmp_path / name) is None
    assert np.abs(read_image(tmp_path / name).astype(int) - PAGE).mean() < 10


@with_jpeg_2000
def test_jpeg_2000_of_16_bits_keeps_its_upper_8(tmp_path: Path):
    gray = np.linspace(0, 65535, 32 * 24).reshape(24, 32).astype(np.uint16)
    Pillow.fromarray(gray).save(tmp_path / "a.jp2")
    assert np.abs(read_image(tmp_path / "a.jp2")[..., 0].astype(int) - (gray >> 8)).max() <= 1


def test_heif_is_read_or_refused_with_what_it_needs(tmp_path: Path):
    path = tmp_path / "IMG_0001.HEIC"
    path.write_bytes(HEIC)
    assert is_image_file(path)
    with pytest.raises(DataError) as refused:
        read_image(path)
    if "HEIF" in decodable():
        assert "its header is damaged" in str(refused.value)
    else:
        needs = "it is HEIF, which needs the package pillow-heif; or convert it to JPEG or PNG"
        assert str(refused.value) == f"cannot read the image '{path}': {needs}"
    assert set(decodable()) >= set(FORMATS)
    assert set(decodable()) <= {*FORMATS, *MORE_FORMATS}


def test_files_in_subfolders_are_listed_without_hidden_ones_and_links(tmp_path: Path):
    for name in ("b.png", "a/c.png", "a/d/e.txt", ".hidden/f.png", "a/.g.png", "out/h.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    out = frozenset([tmp_path / "out"])
    assert files_below(tmp_path, without=out) == ["a/c.png", "a/d/e.txt", "b.png"]
    assert files_below(tmp_path, nested=False) == ["b.png"]
    with pytest.raises(DataError, match="cannot list the folder"):
        files_below(tmp_path / "gone")


def test_other_files_are_counted_by_suffix():
    names = ["a.PDF", "b.pdf", "c", "x/d.txt"]
    assert count_by_suffix(names) == "2 .pdf, 1 without suffix, 1 .txt"
    assert count_by_suffix([f"a.{n}" for n in range(9)], most=2) == "1 .0, 1 .1, 7 others"
    assert count_by_suffix([]) == ""
