"""The scale of ALTO pages that are not in pixels, and the frame of coordinates, against the image."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from ocr_trainer_xml.alto import AltoXml
from ocr_trainer_xml.page import PageXml
from ocr_trainer_xml.plugin import AltoXmlConfig, Level, PageXmlConfig, Unit
from PIL import Image as Pillow

from ocr_trainer.data.types import Detections
from ocr_trainer.plugin import Context, Task
from ocr_trainer.results.page import page_of
from ocr_trainer_runtime.images.read import read_image
from ocr_trainer_runtime.results import alto, page_xml

WIDTH, HEIGHT = 600, 400
BOX = (60.0, 40.0, 300.0, 100.0)
"""Left, top, width and height of a line, in pixels."""


def laid(
    folder: Path,
    per_unit: float,
    unit: str = "",
    size: tuple[float, float] | None = (WIDTH, HEIGHT),
    orientation: int = 1,
) -> None:
    """Lay out an image of 600 x 400 pixels as it is shown, and its page, of which a unit has some pixels."""
    shown = (HEIGHT, WIDTH) if orientation >= 5 else (WIDTH, HEIGHT)
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    Pillow.new("RGB", shown, "white").save(folder / "a.jpg", exif=exif)
    attributes = f'WIDTH="{round(size[0] / per_unit)}" HEIGHT="{round(size[1] / per_unit)}"' if size else ""
    x, y, width, height = (value / per_unit for value in BOX)
    measured = f"<MeasurementUnit>{unit}</MeasurementUnit>" if unit else ""
    (folder / "a.xml").write_text(
        f"<alto><Description>{measured}</Description><Layout><Page {attributes}>"
        f'<TextLine HPOS="{x}" VPOS="{y}" WIDTH="{width}" HEIGHT="{height}"/></Page></Layout></alto>'
    )


def opened(folder: Path, **options: object) -> tuple[AltoXml, list[str]]:
    context = Context(task=Task.detection)
    dataset = AltoXml(AltoXmlConfig(name="alto_xml", root=folder, val_share=0, **options), context)
    assert dataset.train is not None
    return dataset, [entry.reason for entry in context.data_report.skipped]


def corners(dataset: AltoXml) -> tuple[float, float, float, float]:
    (polygon,) = dataset.train[0].polygons
    (left, top), (right, bottom) = polygon.min(axis=0), polygon.max(axis=0)
    return left, top, right - left, bottom - top


@pytest.mark.parametrize("dpi", [72, 150, 300, 400])
@pytest.mark.parametrize(("unit", "per_inch"), [("mm10", 254), ("inch1200", 1200)])
@pytest.mark.parametrize("given", [True, False])
def test_a_page_is_scaled_to_its_image(tmp_path: Path, unit: str, per_inch: int, dpi: int, given: bool):
    laid(tmp_path, dpi / per_inch, unit)
    dataset, reasons = opened(tmp_path, dpi=dpi if given else None)
    assert np.allclose(corners(dataset), BOX, atol=2)
    assert reasons == []


@pytest.mark.parametrize("orientation", [6, 8])
def test_a_page_with_the_proportions_of_the_shown_image_refers_to_it(tmp_path: Path, orientation: int):
    laid(tmp_path, 300 / 254, "mm10", orientation=orientation)
    dataset, reasons = opened(tmp_path)
    assert dataset.train[0].image.shape == (HEIGHT, WIDTH, 3)
    assert np.allclose(corners(dataset), BOX, atol=1)
    assert reasons == dataset.train[0].skipped == []


def test_a_resolution_that_contradicts_the_sizes_is_refused_with_both_figures(tmp_path: Path):
    laid(tmp_path, 300 / 254, "mm10")
    dataset, (reason,) = opened(tmp_path, dpi=200)
    assert len(dataset.train) == 0
    assert "at dataset.dpi=200, its page of 508 x 339 mm10 has 400 x 267 pixels" in reason
    assert "its image has 600 x 400, which makes 300 dpi" in reason


def test_a_page_of_other_proportions_needs_a_resolution(tmp_path: Path):
    laid(tmp_path, 300 / 254, "mm10", (WIDTH, 2 * HEIGHT))
    dataset, (reason,) = opened(tmp_path)
    assert len(dataset.train) == 0
    assert "without the proportions of its image of 600 x 400 pixels: set the resolution" in reason
    dataset, (reason,) = opened(tmp_path, dpi=300)
    assert "which makes 300 x 150 dpi" in reason
    laid(tmp_path, 300 / 254, "mm10", None)
    dataset, (reason,) = opened(tmp_path)
    assert "does not give the size of its page" in reason
    dataset, reasons = opened(tmp_path, dpi=300)
    assert np.allclose(corners(dataset), BOX, atol=1)
    assert reasons == []


def test_a_page_without_a_unit_is_in_pixels_or_scaled_with_a_remark(tmp_path: Path):
    laid(tmp_path, 1)
    dataset, reasons = opened(tmp_path)
    assert (corners(dataset), reasons) == (BOX, [])
    laid(tmp_path, 300 / 254)
    dataset, (reason,) = opened(tmp_path)
    assert np.allclose(corners(dataset), BOX, atol=1)
    assert reason.startswith(
        "it states no MeasurementUnit: its page of 508 x 339 is scaled to its image of 600 x 400"
    )
    dataset, reasons = opened(tmp_path, unit=Unit.mm10, dpi=300)
    assert np.allclose(corners(dataset), BOX, atol=0.1)
    assert reasons == []


def test_a_page_without_unit_and_size_is_in_pixels_with_a_remark(tmp_path: Path):
    laid(tmp_path, 1, size=None)
    dataset, (reason,) = opened(tmp_path)
    assert corners(dataset) == BOX
    assert reason.startswith("it states neither a MeasurementUnit nor the size of its page: read as pixels")
    assert opened(tmp_path, unit=Unit.pixel)[1] == []


def test_a_resolution_without_a_unit_is_refused(tmp_path: Path):
    laid(tmp_path, 300 / 254)
    dataset, (reason,) = opened(tmp_path, dpi=300)
    assert len(dataset.train) == 0
    assert reason.endswith(
        "set dataset.unit=mm10 or inch1200, or leave dataset.dpi out to scale the page to its image"
    )
    laid(tmp_path, 300 / 254, size=(WIDTH, 2 * HEIGHT))
    assert "set dataset.unit" in opened(tmp_path)[1][0]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("side", [WIDTH, HEIGHT])
@pytest.mark.parametrize("form", ["page", "alto"])
def test_what_predict_writes_is_read_on_the_pixels_that_it_refers_to(
    tmp_path: Path, form: str, side: int, orientation: int
):
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    pixels = np.random.default_rng(0).integers(0, 255, (HEIGHT, side, 3), dtype=np.uint8)
    path = tmp_path / "a.png"
    Pillow.fromarray(pixels).save(path, exif=exif)
    shown = read_image(path)
    word = np.array([[20, 30], [120, 30], [120, 60], [20, 60]], np.float32)
    page = page_of(path, shown.shape[:2], Detections([word], np.ones(1, np.float32)))
    writer, reader, config = {
        "page": (page_xml, PageXml, PageXmlConfig),
        "alto": (alto, AltoXml, AltoXmlConfig),
    }[form]
    (tmp_path / "a.xml").write_text(writer.write(page, "ocr-trainer 1", datetime.now(UTC)))
    options = config(name=form, root=tmp_path, val_share=0, level=Level.word)
    sample = reader(options, Context(task=Task.detection)).train[0]
    assert np.array_equal(sample.image, shown)
    assert sample.polygons[0].tolist() == word.tolist()
    assert sample.skipped == []


def test_a_page_of_unknown_frame_is_remarked(tmp_path: Path):
    laid(tmp_path, 1, orientation=3)
    dataset, _ = opened(tmp_path)
    assert ["EXIF orientation 3" in entry.reason for entry in dataset.train[0].skipped] == [True]
