"""Images that are broken, odd or made to fill the memory."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.images import BROKEN, ODD, chunk, encoded, png, tiff_of_pages
from PIL import Image as Pillow

from ocr_trainer.data.images import check_image
from ocr_trainer.errors import DataError
from ocr_trainer_runtime.images.read import PIXEL_LIMIT, decode_image, read_image

BOMBS = {
    "60000 x 60000": png(60_000, 60_000),
    "30000 x 30000": png(30_000, 30_000),
    "one over the limit": png(PIXEL_LIMIT // 5 + 1, 5),
    "text in a PNG": png(4, 4, *[chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 24), 9))] * 8),
    "color profile in a PNG": png(4, 4, chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(1 << 24), 9))),
    "pages of a TIFF": tiff_of_pages(100_000),
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 60000 60000\n%%EndComments\nshowpage\n",
    "GIF": b"GIF89a" + struct.pack("<HH", 65535, 65535) + b"\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x08\x01\0;",
}
READABLE = ("pages of a TIFF",)
"""The first is as harmless as it says; the others are not looked at."""


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_case_34_a_broken_image_is_refused_with_its_name_and_one_reason(tmp_path: Path, content: bytes):
    path = tmp_path / "page.jpg"
    path.write_bytes(content)
    with pytest.raises(DataError) as refused:
        read_image(path)
    assert str(refused.value).startswith(f"cannot read the image '{path}': ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ODD)
def test_case_34_an_odd_image_is_read_as_pillow_shows_its_first_picture(tmp_path: Path, name: str):
    path = tmp_path / "page.jpg"
    path.write_bytes(ODD[name])
    with Pillow.open(path) as picture:
        shown = np.asarray(picture) >> 8 if name == "16 bits" else np.asarray(picture.convert("RGB"))
    expected = np.dstack([shown] * 3) if shown.ndim == 2 else shown
    assert np.abs(read_image(path).astype(int) - expected).max() <= (4 if name == "CMYK" else 0)


@pytest.mark.parametrize("orientation", range(2, 9))
def test_case_34_a_turned_photograph_is_upright_as_opencv_has_it(tmp_path: Path, orientation: int):
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "page.jpg"
    path.write_bytes(encoded("JPEG", exif=exif))
    assert np.array_equal(read_image(path), cv2.imread(str(path))[..., ::-1])


@pytest.mark.parametrize("name", BOMBS)
def test_case_64_a_bomb_is_refused_by_its_header(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "bomb.png"
    path.write_bytes(BOMBS[name])
    decoded: list[Callable[..., object]] = []
    monkeypatch.setattr(cv2, "imdecode", lambda *words: decoded.append(words))
    reason = check_image(path)
    with nullcontext() if name in READABLE else pytest.raises(DataError):
        decode_image(BOMBS[name], "bomb")
    assert bool(decoded) == (reason is None) == (name in READABLE)


MEASURE = """
import json, re, sys
from pathlib import Path
from ocr_trainer.errors import DataError
from ocr_trainer.data.images import check_image
from ocr_trainer_runtime.images.read import read_image

def peak():  # not ru_maxrss, which begins with that of the process that started this one
    return int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024

harmless, *bombs = map(Path, sys.argv[1:])
read_image(harmless)  # imports what reads
before, refused = peak(), []
for bomb in bombs:
    check_image(bomb)
    try:
        read_image(bomb)
    except DataError:
        refused.append(bomb.name)
print(json.dumps([peak() - before, refused]))
"""


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="there is no /proc to measure with")
def test_case_64_bombs_leave_the_memory_as_it_was(tmp_path: Path):
    (tmp_path / "page.png").write_bytes(encoded("PNG"))
    for number, content in enumerate(BOMBS.values()):
        (tmp_path / f"{number}.jpg").write_bytes(content)
    files = [tmp_path / "page.png", *(tmp_path / f"{number}.jpg" for number in range(len(BOMBS)))]
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *map(str, files)], capture_output=True, timeout=120, check=True
    )
    grown, refused = json.loads(done.stdout)
    assert grown < 300, f"{grown} MiB"
    assert [BOMBS.keys() - {list(BOMBS)[int(Path(name).stem)] for name in refused}] == [set(READABLE)]
