"""JPEG files without their end marker: read if all pixels are there, refused otherwise."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import Labels
from ocr_trainer.formats.labeled import LabeledImages
from ocr_trainer.formats.texts import TextImages
from ocr_trainer_runtime.images.inputs import GivenImage
from ocr_trainer_runtime.images.jpeg import NOTE
from ocr_trainer_runtime.images.read import decode_image, read_image

NOISE = np.random.default_rng(0).integers(0, 255, (45, 61, 3), dtype=np.uint8)
FORMS = {
    "baseline": {},
    "no subsampling": {"subsampling": 0, "quality": 95},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_rows": 1},
    "progressive with restarts": {"progressive": True, "restart_marker_rows": 2},
    "optimized": {"optimize": True},
}


def jpeg(pixels: np.ndarray = NOISE, **options: object) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(pixels).save(file, format="JPEG", **options)
    return file.getvalue()


ENDS = {"no marker": b"", "half a marker": b"\xff", "zeros": bytes(512)}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("gray", [False, True])
def test_a_file_that_lacks_only_its_end_marker_is_read_with_a_note(form: str, end: str, gray: bool):
    whole = jpeg(NOISE[..., 0] if gray else NOISE, **FORMS[form])
    notes: list[str] = []
    image = decode_image(whole[:-2] + ENDS[end], "x.jpg", notes)
    assert np.array_equal(image, decode_image(whole, "x.jpg"))
    assert notes == [NOTE]


@pytest.mark.parametrize("tail", [bytes(3000), b"\xff" * 9 + b"SEFT", b"\0"])
def test_what_follows_the_end_marker_means_nothing(tail: bytes):
    notes: list[str] = []
    assert np.array_equal(decode_image(jpeg() + tail, "x.jpg", notes), decode_image(jpeg(), "x.jpg"))
    assert notes == []


@pytest.mark.parametrize("end", [b"", bytes(4000)])
@pytest.mark.parametrize("form", FORMS)
def test_a_file_that_lacks_pixels_is_refused(form: str, end: bytes):
    whole = jpeg(**FORMS[form])
    for lost in (6, 20, 100, len(whole) // 3, len(whole) // 2):
        with pytest.raises(DataError, match="truncated"):
            decode_image(whole[:-lost] + end, "x.jpg")


def test_a_file_cut_off_at_a_restart_is_refused():
    whole = jpeg(restart_marker_rows=1)
    last = max(whole.rfind(b"\xff" + bytes([marker])) for marker in range(0xD0, 0xD8))
    with pytest.raises(DataError, match="truncated"):
        decode_image(whole[:last], "x.jpg")


def test_a_file_that_lacks_the_last_scans_is_refused():
    whole = jpeg(progressive=True)
    for scan in range(2, whole.count(b"\xff\xda") + 1):
        at = -1
        for _ in range(scan):
            at = whole.index(b"\xff\xda", at + 1)
        with pytest.raises(DataError, match="truncated"):
            decode_image(whole[: whole.rindex(b"\xff\xc4", 0, at)], "x.jpg")


def test_a_file_that_was_cut_off_and_ended_is_refused():
    with pytest.raises(DataError, match="truncated"):
        decode_image(jpeg()[:-500] + b"\xff\xd9", "x.jpg")
    gray = np.full((32, 32, 3), 128, np.uint8)  # as missing blocks are, but nothing is missing
    assert (decode_image(jpeg(gray), "x.jpg") == 128).all()


def test_the_note_reaches_reports_and_results(tmp_path: Path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(jpeg()[:-2])
    labeled = LabeledImages([(path, Labels())])[0]
    text = TextImages([(path, "a")])[0]
    for sample in (labeled, text):
        assert [(one.what, one.file, one.reason) for one in sample.skipped] == [("remark", str(path), NOTE)]
    given = GivenImage(path, "x")
    assert np.array_equal(given.image(), read_image(path))
    assert given.notes == [NOTE]
