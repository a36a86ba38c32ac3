"""`load` and `Reader`, on models that are real but small."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.onnx_models import DETECTOR, detector
from PIL import Image as Pillow

import ocr_trainer_runtime as ocr
from ocr_trainer_runtime.formats import WRITERS

FOREIGN = (
    "torch",
    "lightning",
    "hydra",
    "omegaconf",
    "stevedore",
    "PIL",
    "shapely",
    "pyclipper",
    "ocr_trainer",
)
ISOLATED = """
import sys
for name in {foreign!r}:
    sys.modules[name] = None  # importing it fails
import ocr_trainer_runtime as ocr
assert not {{"numpy", "cv2", "onnxruntime"}} & set(sys.modules), "they are imported on first use"
page = ocr.load({det!r}, {rec!r}, threads=1).predict({image!r})
for name in ("json", "hocr", "text", "tsv", "csv", "alto", "page", "icdar"):
    page.save({out!r} + "/result." + name, name)
print(page.text)
"""


def encoded(image: np.ndarray, suffix: str = ".png") -> bytes:
    return cv2.imencode(suffix, image[..., ::-1])[1].tobytes()


def test_it_reads_a_page(pair: tuple[Path, Path], page: np.ndarray):
    found = ocr.load(*pair).predict(page)
    assert found.text == "a\nb"
    assert [word.text for word in found.words] == ["a", "b"]
    low, high = found.words[1].polygon.min(axis=0), found.words[1].polygon.max(axis=0)
    assert (low < (40, 120)).all()
    assert (high > (220, 150)).all()
    assert found.to_dict()["width"] == 300


def test_the_order_of_models_does_not_matter(pair: tuple[Path, Path], page: np.ndarray):
    assert ocr.load(pair[1], pair[0] / "model.onnx").predict(page).text == "a\nb"


def test_one_model_is_enough(pair: tuple[Path, Path], page: np.ndarray):
    assert [word.text for word in ocr.load(pair[0]).predict(page).words] == ["", ""]
    assert ocr.load(pair[1]).predict(page[45:65, 50:130]).text == "a"


def test_paths_bytes_and_arrays_are_the_same(pair: tuple[Path, Path], page: np.ndarray, tmp_path: Path):
    (path := tmp_path / "page.png").write_bytes(encoded(page))
    reader = ocr.load(*pair)
    pages = [reader.predict(source) for source in (path, str(path), path.read_bytes(), page)]
    assert len({(found.text, str(found.words[0].polygon.tolist())) for found in pages}) == 1


def test_documents_are_read_page_by_page(pair: tuple[Path, Path], page: np.ndarray, tmp_path: Path):
    Pillow.fromarray(page).save(
        tmp_path / "two.tif", save_all=True, append_images=[Pillow.fromarray(page[:100])]
    )
    reader = ocr.load(*pair)
    assert [(p.number, p.text) for p in reader.predict_pages(tmp_path / "two.tif")] == [(1, "a\nb"), (2, "a")]
    assert [p.text for p in reader.predict_pages(encoded(page))] == ["a\nb"]


@pytest.mark.parametrize("name", ocr.FORMATS)
def test_every_format_is_written(name: str, pair: tuple[Path, Path], page: np.ndarray, tmp_path: Path):
    pytest.importorskip("pikepdf")
    path = tmp_path / f"page{WRITERS[name].suffix}"
    ocr.load(*pair).predict(page).save(path)
    assert path.stat().st_size > 3


def test_what_cannot_be_written_is_one_sentence(pair: tuple[Path, Path], page: np.ndarray, tmp_path: Path):
    found = ocr.load(*pair).predict(page)
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "folder.json").mkdir()
    reasons = {
        "folder.json": "it is a folder",
        "pipe.json": "it is no file, but a device, a pipe or a socket",
        "missing/a.json": f"there is no folder {tmp_path}/missing",
        "a\0b.json": "embedded null byte",
    }
    for name, reason in reasons.items():
        with pytest.raises(ocr.DataError) as caught:
            found.save(tmp_path / name)
        shown = name.replace("\0", "\\x00")
        assert str(caught.value) == f"the page cannot be written to {tmp_path}/{shown}: {reason}"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.json", "pipe.json"]


def test_a_format_that_is_none_is_one_sentence(pair: tuple[Path, Path], page: np.ndarray, tmp_path: Path):
    found = ocr.load(*pair).predict(page)
    with pytest.raises(ocr.ConfigError, match=r"^no format has the suffix of 'page.docx'\n  formats: alto"):
        found.save(tmp_path / "page.docx")
    with pytest.raises(ocr.ConfigError, match=r"^the format 'text' needs recognized words"):
        ocr.load(pair[0]).predict(page).save(tmp_path / "page.txt")


def test_threads_share_a_reader(pair: tuple[Path, Path], page: np.ndarray):
    reader = ocr.load(*pair, threads=1)
    with ThreadPoolExecutor(4) as pool:
        texts = set(pool.map(lambda _: reader.predict(page).text, range(32)))
    assert texts == {"a\nb"}


def test_a_process_without_the_trainer_and_its_libraries_reads(
    pair: tuple[Path, Path], page: np.ndarray, tmp_path: Path
):
    (path := tmp_path / "page.png").write_bytes(encoded(page))
    code = ISOLATED.format(
        foreign=FOREIGN, det=str(pair[0]), rec=str(pair[1]), image=str(path), out=str(tmp_path)
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (0, "a\nb\n"), done.stderr
    assert len(list(tmp_path.glob("result.*"))) == 8


@pytest.mark.parametrize("broken", [b"", b"no image", b"\x89PNG\r\n\x1a\n" + bytes(64)])
def test_a_bad_image_is_one_sentence(broken: bytes, pair: tuple[Path, Path]):
    with pytest.raises(ocr.DataError, match=r"^cannot read the image 'the image': [^\n]*$"):
        ocr.load(*pair).predict(broken)
    with pytest.raises(
        ocr.DataError, match=r"^cannot read the image 'missing.png': No such file or directory$"
    ):
        ocr.load(*pair).predict("missing.png")


def test_a_long_page_is_cut_into_tiles(tmp_path: Path, pair: tuple[Path, Path]):
    shrinking = {**DETECTOR, "preprocessing": {"side": "none", "size": 64, "max_side": 600}}
    reader = ocr.load(detector(tmp_path / "det", shrinking), pair[1])
    image = np.full((3000, 200, 3), 255, np.uint8)
    for top in range(50, 2950, 100):
        cv2.rectangle(image, (20, top), (180, top + 30), (0, 0, 0), -1)
    found = reader.predict(image)
    assert len(found.words) == 29
    buffer = io.BytesIO()
    Pillow.fromarray(image).save(buffer, "JPEG", quality=95)
    assert len(reader.predict(buffer.getvalue()).words) == 29
