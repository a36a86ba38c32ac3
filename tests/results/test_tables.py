"""CSV of all words and submissions to the ICDAR challenges: read back by the standard library and by `score`."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from helpers.pages import AWKWARD, page, reading
from hypothesis import given, settings
from hypothesis import strategies as st

import ocr_trainer
from ocr_trainer.config.plugin_options import plugin_config
from ocr_trainer.data.types import Detections
from ocr_trainer.metrics import cleval, icdar
from ocr_trainer.plugin import Kind
from ocr_trainer.results import Page, page_of
from ocr_trainer.results.files import ResultFiles
from ocr_trainer.scoring.row_forms import form_of
from ocr_trainer_runtime.results import csv_file
from ocr_trainer_runtime.results.icdar import write

IMAGE = np.full((300, 400, 3), 255, np.uint8)


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def files(out: Path, name: str, **options: str) -> ResultFiles:
    out.mkdir(exist_ok=True)
    return ResultFiles(out, {name: plugin_config(Kind.writer, name, options)})


def with_image(found: Page) -> Page:
    found.load_image = lambda: IMAGE
    return found


def test_a_row_per_word_in_reading_order():
    found = page(*AWKWARD, source='a "b",c.png')
    text = csv_file.write(found, formulas=True)
    rows = rows_of(text)
    assert [row["text"] for row in rows] == [word.text.replace("\t", " ") for word in found.words]
    assert {row["image"] for row in rows} == {'a "b",c.png'}
    assert [(row["block"], row["line"], row["word"]) for row in rows] == [
        *(("1", "1", "1"), ("1", "1", "2"), ("1", "2", "1"), ("1", "2", "2")),
    ]
    assert {
        key: rows[0][key] for key in ("page", "left", "top", "right", "bottom", "score", "confidence")
    } == {
        **{"page": "", "left": "19.6", "top": "20.0", "right": "170.3", "bottom": "45.0"},
        **{"score": "0.8750", "confidence": "0.5000"},
    }
    assert text.count("\r\n") == text.count("\n") == 5  # RFC 4180
    assert [row["confidence"] for row in rows_of(csv_file.write(page("x", read=False)))] == [""]


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ('=HYPERLINK("http://a.b")', '\'=HYPERLINK("http://a.b")'),
        ("\t=1", "' =1"),
        ("-2+3+cmd|' /C calc'!A0", "'-2+3+cmd|' /C calc'!A0"),
        ("+A1", "'+A1"),
        ("＝1", "'＝1"),
        ("-12.50", "-12.50"),
        ("+1,234.5%", "+1,234.5%"),
        ("-", "'-"),
        ("a=b", "a=b"),
        ("'x", "'x"),
    ],
)
def test_formulas_are_made_harmless_and_numbers_stay(text: str, field: str):
    assert rows_of(csv_file.write(page(text)))[0]["text"] == field
    assert rows_of(csv_file.write(page(text), formulas=True))[0]["text"] == text.replace("\t", " ")


def test_one_csv_holds_all_images(tmp_path: Path):
    made = files(tmp_path / "out", "csv")
    for name in ("a", "b"):
        second = with_image(page("one", 'two "three"', source=f"{name}.pdf"))
        second.number = 7
        made.write(name, second, "document")
    made.finish()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["predictions.csv"]
    rows = rows_of((tmp_path / "out" / "predictions.csv").read_bytes().decode())
    assert [(row["image"], row["page"], row["text"]) for row in rows] == [
        (f"{name}.pdf", "7", text) for name in ("a", "b") for text in ("one", 'two "three"')
    ]


def random_pages(rng: np.random.Generator) -> list[tuple[list[np.ndarray], list[str], Page]]:
    """Return the truth of pages, polygons and texts, and what may have been found there."""
    made = []
    for number in range(6):
        truth, texts, found, readings = [], [], [], []
        for place in range(rng.integers(1, 7)):
            corners = np.array([(0, 0), (80, 0), (80, 20), (0, 20)], np.float64)
            corners += np.array([100 * (place % 3), 40 * (place // 3)])
            corners += rng.uniform(0, 5, (4, 2))
            truth.append(corners.round())
            texts.append("".join(rng.choice(list("abc,1"), rng.integers(1, 6))))
            if rng.random() < 0.8:
                found.append((corners + rng.normal(0, 6, 2) + rng.uniform(0, 1, (4, 2))).astype(np.float32))
                readings.append(reading(texts[-1] if rng.random() < 0.7 else '"quoted"'))
        scores = rng.uniform(0.3, 1, len(found)).astype(np.float32)
        made.append(
            (truth, texts, page_of(f"img_{number}.png", (300, 400), Detections(found, scores), readings))
        )
    return made


@pytest.mark.parametrize("decimals", [0, 4])
def test_score_reads_the_zip_file_and_gives_the_figures_of_the_metrics(decimals: int, tmp_path: Path):
    pages = random_pages(np.random.default_rng(3))
    made = files(tmp_path / "out", "icdar", decimals=str(decimals))
    (tmp_path / "gt").mkdir()
    detection, characters = icdar.Counts(), cleval.Counts()
    for number, (truth, texts, found) in enumerate(pages):
        made.write(f"img_{number}", with_image(found))
        rows = [",".join([*(f"{v:.0f}" for v in p.ravel()), t]) for p, t in zip(truth, texts, strict=True)]
        (tmp_path / "gt" / f"gt_img_{number}.txt").write_text("\n".join(rows), encoding="utf-8")
        polygons = [np.round(word.polygon.astype(float), decimals) for word in found.words]
        ignore = [False] * len(truth)
        detection += icdar.overlaps(truth, ignore, polygons).match(0.5)
        characters += cleval.evaluate(truth, texts, ignore, polygons, [word.text for word in found.words])
    made.finish()
    zipped = tmp_path / "out" / "predictions.zip"
    with ZipFile(zipped) as archive:
        assert archive.namelist() == [f"res_img_{number}.txt" for number in range(6)]
    scored = ocr_trainer.score(tmp_path / "gt", zipped, metric="icdar", form="quad+text")
    assert 0.3 < scored["scores"]["hmean"] < 0.95
    assert scored["scores"]["hmean"] == pytest.approx(detection.hmean)
    assert scored["scores"]["recall"] == pytest.approx(detection.recall)
    assert scored["left_out"] == []
    scored = ocr_trainer.score(tmp_path / "gt", zipped, metric="cleval", form="quad+text")
    assert scored["scores"]["end_to_end_hmean"] == pytest.approx(characters.end_to_end.hmean)


def test_rows_have_the_form_of_icdar_2015():
    found = page("one, two", '"q"', "back\\slash")
    assert write(found).splitlines()[0] == "20,20,170,20,170,45,20,45,one, two"
    assert write(found, decimals=1, confidence=True).splitlines()[0].startswith("19.6,20.0,170.3,")
    assert write(found, confidence=True).splitlines()[0].endswith(",45,0.8750,one, two")
    assert write(page("x", read=False)) == "20,20,170,20,170,45,20,45\n"
    curved = page_of("a.png", (9, 9), Detections([np.arange(12).reshape(6, 2)], np.ones(1)), [reading("x")])
    assert write(curved) == "0,1,2,3,4,5,6,7,8,9,10,11,x\n"


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=10))
def test_score_reads_every_text_as_it_was(text: str):
    (row,) = write(page(text)).split("\n")[:-1]
    found = form_of("quad+text").parse(row).text
    shown = "".join(" " if c < " " or "\x7f" <= c <= "\x9f" or c in "\u2028\u2029" else c for c in text)
    assert found == shown.strip() or (shown.strip() != shown and '"' in shown)
