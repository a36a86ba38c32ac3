"""Real files of eScriptorium, Transkribus, kraken and Calamari, against what other tools count in them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from ocr_trainer_xml.alto import AltoXml
from ocr_trainer_xml.page import PageXml
from ocr_trainer_xml.plugin import AltoXmlConfig, Level, PageXmlConfig, alto_xml, page_xml

from ocr_trainer.errors import DataError
from ocr_trainer.plugin import Context, DatasetPlugin, Task

DATA = Path(os.environ.get("OCR_TRAINER_DATA", Path(__file__).parents[4] / "shared" / "data"))
TIMEUS = DATA / "handwriting_timeus_alto_page" / "cph_paris_tissage_1858"
FIXTURES = DATA / "page_alto_fixtures"
KRAKEN = FIXTURES / "kraken"

needs_timeus = pytest.mark.skipif(
    not TIMEUS.exists(), reason="handwriting_timeus_alto_page is not among the data (OCR_TRAINER_DATA)"
)
needs_fixtures = pytest.mark.skipif(
    not FIXTURES.exists(), reason="page_alto_fixtures is not among the data (OCR_TRAINER_DATA)"
)


def open_page(root: Path, **options: object) -> tuple[PageXml, Context]:
    context = Context(task=Task.detection)
    return PageXml(PageXmlConfig(name="page_xml", root=root, val_share=0, **options), context), context


def open_alto(root: Path, **options: object) -> tuple[AltoXml, Context]:
    context = Context(task=Task.detection)
    return AltoXml(AltoXmlConfig(name="alto_xml", root=root, val_share=0, **options), context), context


def twin(path: Path) -> Iterator[tuple[list[list[float]], str]]:
    """Yield outline, without points repeated in a row, and text of each line of a PAGE file."""
    for line in ElementTree.parse(path).iter():
        if line.tag.endswith("}TextLine"):
            numbers = re.findall(r"\d+", line.find("{*}Coords").get("points"))
            points = np.array(numbers, dtype=float).reshape(-1, 2)
            moved = np.abs(np.diff(points, axis=0, append=points[:1])).any(axis=1)
            text = line.findtext("{*}TextEquiv/{*}Unicode") or ""
            yield points[moved].tolist(), text.strip()


@needs_timeus
def test_both_formats_of_a_page_agree() -> None:
    page, page_context = open_page(TIMEUS)
    alto, alto_context = open_alto(TIMEUS)
    assert [path.name for path in page.train.files] == [path.name for path in alto.train.files]
    for index, file in enumerate(page.train.files):
        ours, theirs = page.train.labels(index), alto.train.labels(index)
        assert ours.texts == theirs.texts
        assert (ours.size, ours.ignore) == (theirs.size, theirs.ignore)
        assert all(map(np.array_equal, ours.polygons, theirs.polygons))
        expected = list(twin(TIMEUS / "page" / f"{file.stem}.xml"))
        assert [polygon.tolist() for polygon in ours.polygons] == [points for points, _ in expected]
        assert ours.texts == [text for _, text in expected]
    counts = [len(page.train.labels(index).polygons) for index in range(5)]
    assert counts == [22, 32, 7, 21, 23]  # by grep -c '<TextLine'
    for context in (page_context, alto_context):
        assert (context.data_report.images, context.data_report.labels, context.data_report.skipped) == (
            5,
            105,
            [],
        )


@needs_timeus
def test_a_page_of_handwriting_is_a_sample_whose_labels_lie_in_the_image() -> None:
    sample = open_page(TIMEUS)[0].train[0]
    assert sample.image.shape == (4608, 3072, 3)
    assert sample.texts[:3] == ["Audience", "Du", "Vendredi huit Janvier mil huit en cinquante huit"]
    assert not sample.ignore.any()
    assert all((polygon >= 0).all() and (polygon <= (3072, 4608)).all() for polygon in sample.polygons)


@needs_timeus
def test_pages_that_were_never_divided_into_words() -> None:
    dataset, context = open_page(TIMEUS, level=Level.word)
    assert len(dataset.train) == 0
    reasons = [entry.reason for entry in context.data_report.skipped]
    assert all(reason.endswith("TextLine: dataset.level=line") for reason in reasons)
    assert len(reasons) == 5


@needs_fixtures
def test_a_page_named_otherwise_than_its_file_and_readings_of_several_tools() -> None:
    dataset, context = open_page(FIXTURES / "calamari_avicanon")
    assert [path.name for path in dataset.train.files] == ["007.nrm.png"]
    labels = dataset.train.labels(0)
    assert len(labels.polygons) == 39  # by grep -c '<TextLine'
    assert labels.texts == [text for _, text in twin(FIXTURES / "calamari_avicanon" / "007.xml")]
    assert labels.texts[:3] == ["Q", "De subiectis medicinae.", "Cap .I."]
    assert not any(labels.ignore)
    assert dataset.train[0].image.shape == (2461, 1500, 3)
    assert [(Path(e.file).name, e.reason[:22]) for e in context.data_report.skipped] == [
        ("007.mono.png", "no annotation file for")
    ]


@needs_fixtures
def test_a_comma_in_a_name_and_two_files_for_one_image() -> None:
    dataset, context = open_page(KRAKEN, images=Path(), annotations=Path())
    assert [path.name for path in dataset.train.files] == ["170025120000003,0074.jpg"]
    expected = list(twin(KRAKEN / "170025120000003,0074.xml"))
    assert dataset.train.labels(0).texts == [text for _, text in expected]
    assert len(dataset.train.labels(0).polygons) == 44
    assert dataset.train.labels(0).size == dataset.train[0].image.shape[:2] == (3965, 2743)
    lite, orphan = context.data_report.skipped
    assert lite.reason == "its image '170025120000003,0074.jpg' is described in '170025120000003,0074.xml'"
    assert (Path(orphan.file).name, context.data_report.images) == ("000236.png", 3)


@needs_fixtures
@pytest.mark.parametrize(
    ("file", "labels", "skipped"),
    [
        ("page/cPAS-2000.xml", 97, []),
        ("page/explicit_ro.xml", 5, []),
        ("page/missing_coords_ro.xml", 4, []),
        ("page/missing_coords_transkribus.xml", 4, []),
        ("page/zero_dims.xml", 0, []),
        ("page/invalid/image.xml", 97, []),
        ("page/invalid/dims.xml", "line 8: imageHeight: 'bar' is not a number", None),
        ("alto/bsb00084914_00007.xml", 31, []),
        ("alto/missing_coords_ro.xml", 4, []),
        ("alto/zero_dims.xml", 0, []),
        ("alto/reg_test.xml", "has no TextLine, but 3 TextBlock: dataset.level=region", None),
        ("alto/invalid/mu.xml", "measures in 'mm', which is no unit of ALTO: pixel, mm10, inch1200", None),
        ("alto/invalid/image.xml", 31, []),
    ],
)
def test_files_of_kraken(file: str, labels: int | str, skipped: list[str] | None) -> None:
    opener = open_page if file.startswith("page") else open_alto
    dataset, context = opener(KRAKEN / file.split("/")[0])
    if isinstance(labels, str):
        with pytest.raises(DataError, match=f"{re.escape(labels)}$"):
            dataset.read(KRAKEN / file)
        return
    assert len(dataset.read(KRAKEN / file).polygons) == labels
    assert [str(entry.line) for entry in context.data_report.skipped] == skipped


@needs_fixtures
@pytest.mark.parametrize("ignored", [False, True])
def test_a_page_that_nobody_transcribed(ignored: bool) -> None:
    dataset, _ = open_page(KRAKEN / "page", ignore_untranscribed=ignored)
    labels = dataset.read(KRAKEN / "page" / "cPAS-2000.xml")
    assert (labels.texts, labels.ignore) == ([""] * 97, [ignored] * 97)


@needs_fixtures
@pytest.mark.parametrize("opener", [open_page, open_alto])
def test_a_page_of_size_zero_is_kept_and_pictures_that_are_missing_are_told(opener: object) -> None:
    kind = "page" if opener is open_page else "alto"
    dataset, context = opener(KRAKEN / kind)
    assert dataset.train[0].image.shape == (45, 123, 3)
    files = {path.name for path in (KRAKEN / kind).glob("*.xml")} - {"zero_dims.xml"}
    assert {Path(entry.file).name for entry in context.data_report.skipped} == files
    assert all(entry.reason.startswith("there is no image '") for entry in context.data_report.skipped)


def claims(plugin: DatasetPlugin, folder: Path) -> bool:
    return any(
        re.search(sign.content, path.read_bytes()[:4096].decode("utf-8", "replace"))
        for sign in plugin.signatures
        for path in folder.glob(sign.files)
    )


@pytest.mark.skipif(not DATA.exists(), reason="there are no data (OCR_TRAINER_DATA)")
def test_signs_claim_folders_of_these_formats_and_no_others() -> None:
    folders = [path for path in DATA.rglob("*") if path.is_dir()]
    claimed = {
        plugin.factory: {str(folder.relative_to(DATA)) for folder in folders if claims(plugin, folder)}
        for plugin in (page_xml, alto_xml)
    }
    timeus = TIMEUS.relative_to(DATA)
    fixtures = FIXTURES.relative_to(DATA)
    assert claimed[page_xml.factory] == {
        str(timeus), f"{timeus}/page", f"{fixtures}/kraken", f"{fixtures}/kraken/page",
        f"{fixtures}/kraken/page/invalid", f"{fixtures}/calamari_avicanon",
    }  # fmt: skip
    assert claimed[alto_xml.factory] == {
        str(timeus), f"{timeus}/alto", f"{fixtures}/kraken", f"{fixtures}/kraken/alto",
        f"{fixtures}/kraken/alto/invalid", f"{fixtures}/kraken/merge_tests",
    }  # fmt: skip
