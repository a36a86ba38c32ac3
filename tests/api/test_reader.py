"""Loading checkpoints and reading images: models are small and have learned nothing."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from zipfile import ZipFile

import cv2
import numpy as np
import pytest
import torch
from helpers.checkpoints import DETECTOR, RECOGNIZER, write_checkpoint
from PIL import Image

import ocr_trainer as ocr

IMAGE = np.full((90, 150, 3), 255, np.uint8)
cv2.putText(IMAGE, "TOTAL", (10, 60), cv2.FONT_HERSHEY_SIMPLEX, 1, (200, 0, 0), 2)


@pytest.fixture(scope="module")
def det(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("det") / "det.ckpt", DETECTOR)


@pytest.fixture(scope="module")
def rec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Without biases even random weights read something.
    words = (*RECOGNIZER, "model.max_width=512")
    return write_checkpoint(tmp_path_factory.mktemp("rec") / "rec.ckpt", words, seed=3)


@pytest.fixture(scope="module")
def reader(det: Path, rec: Path) -> ocr.Reader:
    return ocr.load(det, recognizer=rec)


def encoded(suffix: str = ".png", image: np.ndarray = IMAGE) -> bytes:
    return cv2.imencode(suffix, image[..., ::-1])[1].tobytes()


def same(one: ocr.Page, other: ocr.Page) -> bool:
    records = [{**page.to_dict(), "image": ""} for page in (one, other)]
    return records[0] == records[1]


# Images


def test_an_image_may_have_many_types(reader: ocr.Reader, tmp_path: Path):
    path = tmp_path / "page.png"
    path.write_bytes(encoded())
    page = reader.predict(IMAGE)
    assert page.words
    assert page.text == "".join(page.words[0].text)
    assert 0 <= page.words[0].confidence <= 1
    assert page.words[0].confidence == page.words[0].reading.confidence
    assert page.words[0].polygon.shape[1:] == (2,)
    pillow = Image.fromarray(IMAGE)
    images = [str(path), path, encoded(), bytearray(encoded()), memoryview(encoded()), pillow]
    images += [
        IMAGE[:, ::-1][:, ::-1],
        np.dstack([IMAGE, np.full((90, 150), 255, np.uint8)]),
        Image.open(path),
    ]
    for image in images:
        assert same(reader.predict(image), page), type(image)


def test_gray_alpha_and_orientation(reader: ocr.Reader):
    gray = IMAGE[..., 1]
    page = reader.predict(np.repeat(gray[..., None], 3, axis=2))
    for image in (gray, gray[..., None], Image.fromarray(gray), Image.fromarray(gray > 127)):
        assert (reader.predict(image).width, reader.predict(image).height) == (150, 90)
    assert same(reader.predict(gray), page)
    assert same(reader.predict(Image.fromarray(gray)), page)
    # Transparent pixels are white, whatever color they have.
    clear = np.dstack([np.zeros_like(IMAGE), np.zeros((90, 150), np.uint8)])
    white = reader.predict(np.full_like(IMAGE, 255))
    assert same(reader.predict(clear), white)
    assert same(reader.predict(Image.fromarray(clear)), white)
    turned, exif = Image.fromarray(np.rot90(IMAGE).copy()), Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    file = io.BytesIO()
    turned.save(file, "PNG", exif=exif)
    assert same(reader.predict(Image.open(file)), reader.predict(IMAGE))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (
            np.zeros((8, 8, 4), np.float32),
            "it is an array of float32 and shape (8, 8, 4); give uint8, from 0 to 255",
        ),
        (np.zeros((8, 8), np.uint16), "it is an array of uint16 and shape (8, 8); give uint8"),
        (np.zeros((0, 8, 3), np.uint8), "it has no pixels: shape (0, 8, 3)"),
        (
            np.zeros((2, 8, 8, 3), np.uint8),
            "it is an array of shape (2, 8, 8, 3); give (height, width) for gray",
        ),
        (np.zeros((3, 8, 8), np.uint8), "it is an array of shape (3, 8, 8); give (height, width) for gray"),
        (np.zeros(8, np.uint8), "it is an array of shape (8,)"),
        (torch.zeros(3, 8, 8), "it is a torch.Tensor; give a path, the bytes of an image file, a PIL image"),
        (Image.new("F", (8, 8)), "it is a PIL image of mode F; convert it to 8 bits: image.convert('L')"),
        (Image.new("RGB", (0, 8)), "it has no pixels"),
        (io.BytesIO(b""), "it is a _io.BytesIO; give a path"),
        ({"image": "a.png"}, "it is a dict; give a path"),
        (None, "it is a NoneType; give a path"),
        (3, "it is an int; give a path"),
        (b"", "cannot read the image 'the image': the file is empty"),
        (b"no image", "cannot read the image 'the image': it is not JPEG, PNG, TIFF, BMP, WEBP"),
        (encoded()[:-40], "cannot read the image 'the image': it is truncated or damaged"),
        ("none.png", "cannot read the image 'none.png': No such file or directory"),
        (".", "cannot read the image '.': Is a directory"),
    ],
)
def test_what_is_no_image(image: Any, message: str, reader: ocr.Reader):
    with pytest.raises(ocr.DataError) as caught:
        reader.predict(image)
    assert message in str(caught.value)
    assert str(caught.value).startswith(("the image cannot be used: ", "cannot read the image "))


# Streams


def test_a_stream_is_read_as_it_is_asked_for(reader: ocr.Reader):
    taken: list[int] = []

    def images() -> Iterator[np.ndarray]:
        for number in range(5):
            taken.append(number)
            yield IMAGE

    pages = reader.predict(images())
    assert taken == []
    for number, page in enumerate(pages):
        assert len(taken) <= number + 2
        assert page.source == f"image {number + 1}"
        assert same(page, reader.predict(IMAGE))
    assert len(taken) == 5
    assert list(reader.predict([])) == list(reader.predict(iter(()))) == []


def test_a_page_that_is_kept_does_not_keep_its_image(reader: ocr.Reader, tmp_path: Path):
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path in paths:
        path.write_bytes(encoded())
    pages = list(reader.predict(paths))
    assert [page.source for page in pages] == [str(path) for path in paths]
    assert all(page.load_image.__self__._image is None for page in pages)
    assert np.array_equal(pages[0].image, IMAGE)
    paths[1].unlink()
    with pytest.raises(ocr.DataError, match="No such file"):
        pages[1].show()


def test_what_cannot_be_read_is_raised_or_counted(reader: ocr.Reader):
    images = [IMAGE, b"broken", IMAGE, torch.zeros(3)]
    pages = reader.predict(images)
    assert next(pages).words
    with pytest.raises(ocr.DataError, match=r"^cannot read the image 'image 2'"):
        next(pages)

    with pytest.warns(
        UserWarning, match=r"^skipped: (cannot read the image 'image 2'|image 4 cannot be used)"
    ) as warned:
        pages = list(skipping := reader.predict(images, on_error="skip"))
    assert [page.source for page in pages] == ["image 1", "image 3"]
    assert len(warned) == len(skipping.skipped) == 2
    assert {warning.filename for warning in warned} == {__file__}

    errors: list[ocr.DataError] = []
    assert len(list(reader.predict(images, on_error=errors.append))) == 2
    assert len(errors) == 2
    with pytest.raises(ocr.ConfigError, match=r"^on_error is 'raise', 'skip' or a function, not 'ignore'$"):
        reader.predict(images, on_error="ignore")

    def failing() -> Iterator[np.ndarray]:
        yield IMAGE
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(reader.predict(failing(), on_error="skip"))


def test_threads_share_readers(reader: ocr.Reader, det: Path, rec: Path):
    other = ocr.load(det, "model.box_threshold=0.2", recognizer=rec)
    sizes = [(90, 150), (60, 200), (128, 96)]
    images = [cv2.resize(IMAGE, (width, height)) for height, width in sizes] * 4
    alone = [[one.predict(image).to_dict() for image in images] for one in (reader, other)]
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(one.predict, image) for one in (reader, other) for image in images]
        assert [future.result().to_dict() for future in futures] == [*alone[0], *alone[1]]


# Pages


def test_a_page_is_written_by_suffix(reader: ocr.Reader, tmp_path: Path):
    page = reader.predict(IMAGE)
    for name in ("page.json", "page.txt", "page.hocr", "page.png"):
        page.save(tmp_path / name)
    page.save(tmp_path / "of.any", format="page")
    assert json.loads((tmp_path / "page.json").read_text(encoding="utf-8")) == page.to_dict()
    assert (tmp_path / "page.txt").read_text(encoding="utf-8") == f"{page.text}\n"
    assert ElementTree.parse(tmp_path / "of.any").getroot().tag.endswith("PcGts")
    assert cv2.imread(str(tmp_path / "page.png")).shape == (90, 300, 3)
    with pytest.raises(ocr.ConfigError, match="choose one"):
        page.save(tmp_path / "page.docx")
    with pytest.raises(ocr.OcrTrainerError, match=r"'jsn'.* Did you mean 'json'"):
        page.save(tmp_path / "page.x", format="jsn")
    with pytest.raises(ocr.DataError, match="there is no folder"):
        page.save(tmp_path / "none" / "page.json")


def test_a_notebook_shows_the_picture(reader: ocr.Reader):
    page = reader.predict(IMAGE)
    shown = np.array(Image.open(io.BytesIO(page._repr_png_())))
    assert shown.shape == (90, 300, 3)
    assert repr(page) == f"<Page of 'the image': 150 x 90 pixels, {len(page.words)} words>"


def test_a_detector_alone_finds_and_a_recognizer_alone_reads(det: Path, rec: Path, reader: ocr.Reader):
    found = ocr.load(det).predict(IMAGE)
    assert [word.reading for word in found.words] == [None] * len(found.words)
    assert (found.text, found.words[0].confidence) == ("", found.words[0].score)
    alone = ocr.load(rec)
    page = alone.predict(IMAGE)
    assert page.words[0].polygon.tolist() == [[0, 0], [150, 0], [150, 90], [0, 90]]
    assert page.text == page.words[0].text != ""
    images = [IMAGE[:, : 30 + number] for number in range(70)]
    streamed = list(alone.predict(images))
    assert [page.text for page in streamed] == [alone.predict(image).text for image in images]
    assert [page.width for page in streamed] == [image.shape[1] for image in images]
    assert repr(reader).startswith("<Reader: detection by dbnet from ")


# Checkpoints


def test_a_run_directory_stands_for_its_best_checkpoint(rec: Path, tmp_path: Path):
    (tmp_path / "checkpoints").mkdir()
    last = tmp_path / "checkpoints" / "last.ckpt"
    last.write_bytes(rec.read_bytes())
    assert str(last) in repr(ocr.load(tmp_path))
    best = last.with_name("best.ckpt")
    last.rename(best)
    assert str(best) in repr(ocr.load(tmp_path))


def test_options_reach_the_models(det: Path, rec: Path):
    one = ocr.load(
        det, "recognizer.beam=3", model={"box_threshold": 0.7}, recognizer=rec, margin=0.2, device="cpu"
    )
    assert one.pipeline.detector.config.box_threshold == 0.7
    assert one.pipeline.recognizer.config.beam == 3
    assert one.pipeline.margin == 0.2


def test_what_is_no_checkpoint(det: Path, rec: Path, tmp_path: Path):
    text, archive, empty = (tmp_path / name for name in ("text.ckpt", "zip.ckpt", "empty.ckpt"))
    text.write_text("not a checkpoint")
    empty.touch()
    with ZipFile(archive, "w") as file:
        file.writestr("a.txt", "a")
    for path in (text, archive, empty):
        with pytest.raises(ocr.CheckpointError, match=f"^{path} cannot be read as a checkpoint: "):
            ocr.load(path)
    torch.save({"weights": torch.zeros(3)}, tmp_path / "other.ckpt")
    with pytest.raises(ocr.CheckpointError, match="was not written by ocr-train: it does not name its model"):
        ocr.load(tmp_path / "other.ckpt")
    with pytest.raises(ocr.CheckpointError, match=r"^there is no checkpoint none\.ckpt$"):
        ocr.load("none.ckpt")
    with pytest.raises(ocr.CheckpointError, match="is a folder without a checkpoint\n"):
        ocr.load(tmp_path)
    with pytest.raises(ocr.CheckpointError) as caught:
        ocr.load(rec, recognizer=det)
    assert str(caught.value) == (
        "the first checkpoint must find text, and that of recognizer= must read it, but\n"
        f"  {rec} reads text: model=crnn\n  {det} finds text: model=dbnet\n"
        f"  swap them: load('{det}', recognizer='{rec}')"
    )


@pytest.mark.parametrize(
    ("words", "options", "message"),
    [
        (["recognizer.beam=3"], {}, "recognizer.beam=3 needs a recognizer: add recognizer=CKPT"),
        ([], {"margin": 0.1}, "margin= needs a recognizer: add recognizer=CKPT"),
        (
            ["dataset.root=x"],
            {},
            "'dataset.root=x' is not an option of a model: load takes only model.… and tiles.… options",
        ),
        (["model.sise=3"], {}, "Did you mean 'model.size'?"),
        ([], {"device": "tpu0x"}, "device='tpu0x' cannot be used: "),
        ([], {"device": "cuda:99"}, "device='cuda:99' cannot be used: "),
    ],
)
def test_options_that_cannot_be(words: list[str], options: dict[str, Any], message: str, det: Path):
    with pytest.raises(ocr.ConfigError) as caught:
        ocr.load(det, *words, **options)
    assert message in str(caught.value)
