"""Searchable PDF: the text that PDFium and poppler extract, where it stands, and the image under it."""

from __future__ import annotations

import ctypes
import io
import math
import shutil
import subprocess
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from helpers.pages import reading
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ocr_trainer.config.plugin_options import plugin_config
from ocr_trainer.data.types import Detections
from ocr_trainer.plugin import Context, Kind, Task
from ocr_trainer.results import Page, page_of
from ocr_trainer_runtime.images.inputs import GivenImage
from ocr_trainer_runtime.results.pdf import OPEN_AT_ONCE, PdfWriter

pdfium = pytest.importorskip("pypdfium2", reason="pypdfium2 is missing: pip install 'ocr-trainer[pdf]'")
pikepdf = pytest.importorskip("pikepdf", reason="pikepdf is missing: pip install 'ocr-trainer[pdf]'")
poppler = pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext is missing (poppler-utils)")

SIZE = 1000, 800
"""Height and width of the pages in pixels."""
HEIGHT = 30.0
DIRECTION_MARKS = dict.fromkeys(map(ord, "\u202a\u202b\u202c\u200e\u200f\f"))
"""What poppler puts around texts of another direction, and after a page."""

Placed = tuple[str, np.ndarray]


def line(y: float, *texts: str, x: float = 60, gap: float = 9, angle: float = 0) -> list[Placed]:
    """Return the texts of a line, from left to right, each as wide as a font would make it."""
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    placed, run = [], 0.0
    for text in texts:
        shown = [c for c in text if not unicodedata.combining(c)]
        width = sum(HEIGHT if unicodedata.east_asian_width(c) in "WF" else HEIGHT / 2 for c in shown)
        corners = np.array([(run, 0), (run + width, 0), (run + width, HEIGHT), (run, HEIGHT)])
        placed.append((text, corners @ np.array([[cos, sin], [-sin, cos]]) + (x, y)))
        run += width + gap
    return placed


def page_with(words: Sequence[Placed], image: np.ndarray | None = None) -> Page:
    polygons = [polygon.astype(np.float32) for _, polygon in words]
    found = Detections(polygons, np.full(len(words), 0.9, np.float32))
    page = page_of("a.png", SIZE, found, [reading(text) for text, _ in words])
    pixels = np.full((*SIZE, 3), 255, np.uint8) if image is None else image
    page.load_image = lambda: pixels
    return page


def written(page: Page, **options: object) -> bytes:
    config = plugin_config(Kind.writer, "pdf", {key: str(value) for key, value in options.items()})
    return PdfWriter(config, Context(task=Task.detection)).write(page, page.image)


def by_pdfium(data: bytes) -> str:
    with pdfium.PdfDocument(data) as document:
        return document[0].get_textpage().get_text_range().replace("\r\n", "\n")


def by_poppler(data: bytes, *options: str) -> str:
    done = subprocess.run(
        ["pdftotext", *options, "-", "-"], input=data, capture_output=True, timeout=60, check=True
    )
    assert done.stderr == b""
    return done.stdout.decode("utf-8").translate(DIRECTION_MARKS)


def lines_of(text: str) -> list[str]:
    return [row.strip() for row in text.split("\n") if row.strip()]


LATIN = [
    *line(60, "Total", "amount", "5", "due", "12.50"),
    *line(92, "é", "𝔘ni", "e\u0301t", "a<b", "1"),  # the lines touch
    *line(160, "I", "am", "tall"),
]
CHINESE = [*line(60, "中文", "混排ABC", "，你好"), *line(110, "東京タワー", "한국어", "5")]
# Texts of a line are from left to right, so those of Hebrew and Arabic begin with the last.
HEBREW = [*line(60, "12.50", "טוב", "עולם", "שלום"), *line(110, "זורחת", "השמש")]
ARABIC = [*line(60, "2026", "عليكم", "السلام"), *line(110, "الخير", "صباح")]
LONG = [*line(60, "שלום עולם טוב 12.50"), *line(110, "السلام عليكم")]
TOUCHING = [*line(60, "Hello", "big", "world", "1", gap=0), *line(110, "over", "lap", "ping", gap=-5)]
MIXED = [*line(60, "Total", "שקל", "12.50", "due"), *line(110, "abc", "中文", "عليكم", "12")]
SETS = {
    **{"latin": LATIN, "chinese": CHINESE, "hebrew": HEBREW, "arabic": ARABIC, "long": LONG},
    "touching": TOUCHING,
}


@pytest.mark.parametrize("words", [*SETS.values(), MIXED], ids=[*SETS, "mixed"])
def test_pdfium_extracts_the_text_in_reading_order(words: list[Placed]):
    page = page_with(words)
    assert by_pdfium(written(page)).split("\n") == lines_of(page.text)


@poppler
@pytest.mark.parametrize("words", SETS.values(), ids=SETS)
def test_poppler_extracts_the_text_in_reading_order(words: list[Placed]):
    page = page_with(words)
    assert lines_of(by_poppler(written(page))) == lines_of(page.text)


def test_the_texts_that_are_extracted_are_the_logical_ones():
    # The page itself has texts as typed: what is extracted is not a wrong order on both sides.
    assert by_pdfium(written(page_with(HEBREW))) == "שלום עולם טוב 12.50\nהשמש זורחת"
    assert by_pdfium(written(page_with(ARABIC))) == "السلام عليكم 2026\nصباح الخير"


@pytest.mark.parametrize("angle", [-30, -2, 0, 2, 15, 45, 90])
def test_characters_stand_on_their_polygons(angle: float):
    words = line(500, "Turned", "by", "degrees", "中文", x=300 if angle <= 45 else 500, angle=angle)
    data = written(page_with(words))
    scale = 300 / 72
    with pdfium.PdfDocument(data) as document:
        text = document[0].get_textpage()
        found = text.get_text_range()
        assert found == "Turned by degrees 中文"
        x, y = ctypes.c_double(), ctypes.c_double()
        places = []
        for place in range(text.count_chars()):
            assert pdfium.raw.FPDFText_GetCharOrigin(text, place, x, y)
            places.append((x.value * scale - 0.5, SIZE[0] - y.value * scale - 0.5))
    start = 0
    for string, polygon in words:
        begin, end = polygon[3], polygon[2]  # the lower edge
        units = np.array([2 if c in "中文" else 1 for c in string])
        shares = (np.cumsum(units) - units) / units.sum()
        wanted = begin + shares[:, None] * (end - begin)
        assert np.abs(np.array(places[start : start + len(string)]) - wanted).max() < 1.0
        start += len(string) + 1  # and a space


def test_no_text_is_visible():
    pixels = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    data = written(
        page_with([*LATIN, *[(t, q + np.array([0, 300])) for t, q in CHINESE]], pixels), lossless=True, dpi=72
    )
    with pdfium.PdfDocument(data) as document:
        shown = document[0].render(rev_byteorder=True).to_numpy()[..., :3]
        np.testing.assert_array_equal(shown, pixels)


def noise(
    path: Path, mode: str = "RGB", size: tuple[int, int] = (96, 64), orientation: int = 1, **options
) -> GivenImage:
    """Write an image of large random squares, which survive compression."""
    squares = np.random.default_rng(1).integers(0, 256, (size[1] // 16, size[0] // 16, 3), np.uint8)
    image = Image.fromarray(squares.repeat(16, 0).repeat(16, 1)).convert(mode)
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(path, exif=exif, **options)
    return GivenImage(path, "")


def page_of_file(image: GivenImage) -> Page:
    pixels = image.image()
    page = page_of(str(image.source), pixels.shape[:2], Detections([], np.zeros(0, np.float32)), [])
    page.load_image, page.load_file = image.image, image.content
    return page


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_jpeg_is_embedded_as_it_is_and_shown_as_viewers_show_it(orientation: int, tmp_path: Path):
    image = noise(tmp_path / "a.jpg", orientation=orientation, quality=95, progressive=orientation > 4)
    data = written(page_of_file(image), dpi=72)
    with pikepdf.open(io.BytesIO(data)) as document:
        stream = document.pages[0].Resources.XObject.Image
        assert stream.read_raw_bytes() == (tmp_path / "a.jpg").read_bytes()
    with pdfium.PdfDocument(data) as document:
        shown = document[0].render(rev_byteorder=True).to_numpy()[..., :3].astype(int)
    assert shown.shape == image.image().shape
    assert np.abs(shown - image.image()).mean() < 3


@pytest.mark.parametrize(
    "name", ["gray.jpg", "cmyk.jpg", "cut.jpg", "a.png", "gray.png", "deep.png", "gone.jpg"]
)
def test_other_images_are_compressed(name: str, tmp_path: Path):
    path = tmp_path / name
    mode = {"gray.jpg": "L", "gray.png": "L", "cmyk.jpg": "CMYK", "deep.png": "I;16"}.get(name, "RGB")
    image = noise(path, mode if mode != "I;16" else "L")
    if mode == "I;16":
        Image.fromarray(np.asarray(Image.open(path)).astype(np.uint16) * 257).save(path)
    if name == "cut.jpg":
        path.write_bytes(path.read_bytes()[:-2])
    page = page_of_file(image)
    if name == "gone.jpg":
        path.unlink()
    for quality in (95, None):
        data = written(page, dpi=72, **({"quality": quality} if quality else {"lossless": True}))
        with pdfium.PdfDocument(data) as document:
            shown = document[0].render(rev_byteorder=True).to_numpy()[..., :3].astype(int)
        limit = 0.0 if quality is None and not name.endswith(".jpg") else 6.0
        assert np.abs(shown - image.image()).mean() <= limit
        with pikepdf.open(io.BytesIO(data)) as document:
            assert document.check_pdf_syntax() == []
            stream = document.pages[0].Resources.XObject.Image
            assert (stream.ColorSpace == "/DeviceGray") == (mode in ("L", "I;16"))


def test_a_page_has_the_size_of_its_image(tmp_path: Path):
    page = page_with(LATIN)
    for dpi, page_dpi, size in ((300, None, (192, 240)), (100, None, (576, 720)), (300, 144, (400, 500))):
        page.dpi = page_dpi
        with pdfium.PdfDocument(written(page, dpi=dpi)) as document:
            assert document[0].get_size() == pytest.approx(size)


def test_many_files_are_joined_in_order_and_equal_results_are_equal_files(tmp_path: Path):
    files = {}
    for number in range(2 * OPEN_AT_ONCE + 3):
        image = np.full((*SIZE, 3), 255, np.uint8) if number == 0 else np.full((20, 20, 3), number, np.uint8)
        page = page_with(line(60, f"page{number}"), image)
        files[f"a-{number}"] = tmp_path / f"{number}.part"
        files[f"a-{number}"].write_bytes(written(page))
    writer = PdfWriter(plugin_config(Kind.writer, "pdf", {}), Context(task=Task.detection))
    writer.join(files, first := io.BytesIO())
    writer.join(files, second := io.BytesIO())
    assert first.getvalue() == second.getvalue()
    assert len(list(tmp_path.iterdir())) == len(files)
    with pdfium.PdfDocument(first.getvalue()) as document:
        texts = [page.get_textpage().get_text_range() for page in document]
    assert texts == [f"page{number}" for number in range(len(files))]


LETTERS = st.characters(categories=("Lu", "Ll", "Lo", "Nd", "Po", "So"), exclude_characters="\u00ad")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(LETTERS, min_size=1, max_size=12), min_size=1, max_size=5))
def test_any_letters_come_out(texts: list[str]):
    """Each character once, whatever its direction; which is the order, the other tests say."""
    words = [placed for row, text in enumerate(texts) for placed in line(40 + 60 * row, text)]
    data = written(page_with(words))
    found = by_pdfium(data)
    letters = sorted(c for c in unicodedata.normalize("NFKD", "".join(texts)) if c.isalnum())
    assert sorted(c for c in unicodedata.normalize("NFKD", found) if c.isalnum()) == letters
