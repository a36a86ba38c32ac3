"""Total-Text in each of its formats: real files, and records that follow the dataset's own description.

No real file of records (`x: [[…]], y: [[…]], …`) is available. The records here follow the examples in
https://github.com/cs-chan/Total-Text-Dataset and in other readers, with long ones broken over lines.
"""

from __future__ import annotations

import os
import re
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ocr_trainer_scenetext.totaltext import TotalText, parse_record
from PIL import Image as Pillow

from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import Labels
from ocr_trainer.plugin import Context, Task
from ocr_trainer.plugin.options import PairedConfig

DATA = Path(os.environ.get("OCR_TRAINER_DATA", Path(__file__).parents[4] / "shared" / "data"))
REAL = DATA / "polygons_totaltext_mini"
CLEVAL = DATA / "metric_fixtures" / "cleval" / "gt_TotalText.zip"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason=f"no polygons in {REAL}")


def opened(root: Path, **options) -> tuple[TotalText, Context]:
    context = Context(task=Task.detection)
    return TotalText(PairedConfig(name="totaltext", root=root, **options), context), context


def read(folder: Path, data: bytes, name: str = "image.txt") -> tuple[Labels, Context]:
    (folder / "image.png").touch()
    dataset, context = opened(folder)
    (folder / name).write_bytes(data)
    return dataset.read(folder / name), context


@needs_real
@pytest.mark.parametrize(
    ("form", "count", "first"),
    [
        ("gt_db_txt", 4, ([697, 196], "KELUAR")),
        ("gt_tiou_txt", 4, ([694, 259], "KELUAR")),
        ("gt_mat", 2, ([699, 201], "kel")),
        ("official_eval_example_mat/Groundtruth", 4, ([697, 196], "KELUAR")),
    ],
)
def test_a_real_picture_in_every_form(form: str, count: int, first: tuple) -> None:
    """The TIoU files run in the opposite direction; the tool's file has two of the four words."""
    options = {"images": Path("images"), "annotations": Path(form), "val_share": 0}
    dataset, _ = opened(REAL, **options)
    sample = dataset.train[[file.name for file in dataset.train.files].index("img3.jpg")]
    assert sample.image.shape == (960, 1280, 3)
    assert len(sample.polygons) == count
    assert (sample.polygons[0][0].tolist(), sample.texts[0]) == first


@needs_real
def test_all_polygons_of_the_test_set() -> None:
    """Compare each with its row, split at the last comma; in one row, the text itself has a comma."""
    dataset, context = opened(REAL, images=Path("images"), annotations=Path("gt_db_txt"))
    files = sorted((REAL / "gt_only_db_txt" / "test_gts").glob("*.txt"))
    commas = numeric = words = 0
    for file in files:
        labels = dataset.read(file)
        rows = [row for row in file.read_text("utf-8-sig").splitlines() if row.strip()]
        assert len(labels.texts) == len(rows)
        for row, polygon, text, ignored in zip(
            rows, labels.polygons, labels.texts, labels.ignore, strict=True
        ):
            numbers, last = row.rsplit(",", 1)
            if numbers.endswith("Breakfast"):
                numbers, last = numbers.removesuffix(",Breakfast"), f"Breakfast,{last}"
                commas += 1
            assert text == ("" if last == "###" else last.strip())
            if file.name != "img557.jpg.txt":
                assert polygon.ravel().tolist() == [float(number) for number in numbers.split(",")]
                assert ignored == (last == "###")
            numeric += last.isdecimal()
            words += 1
    assert (len(files), words, commas, numeric) == (300, 2546, 1, 138)
    assert context.data_report.labels == 2546
    assert [(Path(e.file).name, e.reason) for e in context.data_report.skipped] == [
        ("img557.jpg.txt", "the outline crosses itself: kept as don't care")
    ]


@needs_real
def test_odd_polygons_of_the_training_set() -> None:
    dataset, context = opened(REAL, images=Path("images"), annotations=Path("gt_db_txt"))
    files = sorted((REAL / "gt_only_db_txt" / "train_gts_odd").glob("*.txt"))
    labels = {file.name.partition(".")[0]: dataset.read(file) for file in files}
    rows = [row for file in files for row in file.read_text("utf-8").splitlines() if row.strip()]
    points = sum(bool(re.fullmatch(r"\d+,\d+,###", row)) for row in rows)
    assert (len(files), context.data_report.labels, points) == (14, len(rows), 10)
    assert sum(len(each.texts) for each in labels.values()) == len(rows)
    told = [(Path(e.file).name.partition(".")[0], e.reason) for e in context.data_report.skipped]
    assert sum(reason == "1 point is not a polygon: kept as don't care" for _, reason in told) == points
    crossing = {name for name, reason in told if "crosses itself" in reason}
    assert crossing == {"img1204", "img858"}
    assert labels["img1137"].polygons[2].min() == -2


@pytest.mark.skipif(not CLEVAL.is_file(), reason=f"no {CLEVAL}")
def test_the_polygons_of_cleval(tmp_path: Path) -> None:
    with zipfile.ZipFile(CLEVAL) as archive:
        archive.extractall(tmp_path / "gt")
    for file in (tmp_path / "gt").iterdir():
        Pillow.new("L", (1, 1)).save(tmp_path / f"{file.stem.removeprefix('gt_')}.png")
    dataset, context = opened(tmp_path, images=Path(), annotations=Path("gt"), val_share=0)
    assert len(dataset.train) == 300
    one = [(Path(e.file).stem, e.reason) for e in context.data_report.skipped if "1 point" in e.reason]
    assert one == [
        (f"gt_img{number}", "1 point is not a polygon: kept as don't care") for number in (659, 664)
    ]


RECORDS = """\
x: [[ 53 120 121  56]], y: [[446 443 456 458]], ornt: [u'h'], transcriptions: [u'PERUNDING']
x: [[123 165 166 125]], y: [[443 440 453 455]], ornt: [u'm'], transcriptions: [u"Joe's, 1966"]
x: [[168 179 179 167]], y: [[439 439 452 453]], ornt: [u'#'], transcriptions: [u'#']
x: [[168 179 179 167]], y: [[439 439 452 453]], ornt: [u'#'], transcriptions: [u'half']
x: [[  1   9  20  30  41  50  60
   70  40]], y: [[ -1   9  -1   9  -1   9  -1
    9  90]], ornt: [u'c'], transcriptions: [u'caf\\xe9']
x: [[1 9 9]], y: [[1 1 9]], ornt: [], transcriptions: []
x: [[1 9 9]], y: [[1 1]], ornt: [u'h'], transcriptions: [u'odd']
x: [[1 9 9]], y: [[1 1 9]], ornt: [u'h'], transcriptions: [word]
x: [[1 9 9]], y: [[1
"""


def test_records(tmp_path: Path) -> None:
    labels, context = read(tmp_path, b"\xef\xbb\xbf" + RECORDS.replace("\n", "\r\n").encode())
    assert labels.texts == ["PERUNDING", "Joe's, 1966", "", "", "café", ""]
    assert labels.ignore == [False, False, True, True, False, False]
    assert labels.polygons[0].tolist() == [[53, 446], [120, 443], [121, 456], [56, 458]]
    assert labels.polygons[4][:2].tolist() == [[1, -1], [9, 9]]
    assert len(labels.polygons[4]) == 9
    assert [(e.line, e.reason) for e in context.data_report.skipped] == [
        (9, "3 x and 2 y coordinates do not match"),
        (10, "not a text in brackets and quotes: '[word]'"),
        (11, "not x: [[…]], y: [[…]], ornt: […], transcriptions: […]: 'x: [[1 9 9]], y: [[1'"),
    ]
    assert context.data_report.labels == 9


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(-99, 9999), st.integers(-99, 9999)), min_size=1, max_size=19),
    st.text(st.characters(exclude_categories=["Cs"])),
)
def test_a_record_written_is_read_again(points: list, text: str) -> None:
    xs, ys = (" ".join(str(point[axis]) for point in points) for axis in (0, 1))
    row = f"x: [[{xs}]], y: [[{ys}]], ornt: [u'c'], transcriptions: [u{text!r}]"
    assert parse_record(row) == (points, text.strip())


pieces = st.sampled_from(
    ["x: [[", "1 2", "]], y: [[", "]], ornt: [u'", "'], transcriptions: [", "u'a']", "\n"]
)


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=100)
    | st.lists(pieces | st.text(max_size=3)).map(lambda s: "".join(s).encode("utf-8", "replace"))
)
def test_random_bytes_are_read_or_refused_and_every_row_accounted_for(tmp_path: Path, data: bytes) -> None:
    try:
        labels, context = read(tmp_path, data)
    except DataError as fault:
        refusal = str(fault)
        assert "UTF-16" in refusal
        return
    kept_yet_entered = sum("kept as" in entry.reason for entry in context.data_report.skipped)
    assert (
        context.data_report.labels == len(labels.texts) + len(context.data_report.skipped) - kept_yet_entered
    )
