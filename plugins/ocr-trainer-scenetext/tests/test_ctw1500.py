"""SCUT-CTW1500: the real rows of the test set; the training set's XML and first release are made here.

No real training file is available. The XML follows the examples in MMOCR's documentation and tests, and
the rows of 32 numbers follow https://github.com/Yuliang-Liu/Curve-Text-Detector/tree/master/data.
"""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ocr_trainer_scenetext.ctw1500 import Ctw1500
from PIL import Image as Pillow

from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import Labels
from ocr_trainer.plugin import Context, Task
from ocr_trainer.plugin.options import PairedConfig

DATA = Path(os.environ.get("OCR_TRAINER_DATA", Path(__file__).parents[4] / "shared" / "data"))
REAL = DATA / "metric_fixtures" / "tiou_curved" / "ctw1500-gt.zip"

OUTLINE = [(131, 58), (208, 49), (279, 56), (346, 76), (412, 101), (473, 141), (530, 192)]
OUTLINE += [(510, 246), (458, 210), (405, 175), (350, 151), (291, 137), (228, 133), (165, 134)]
NUMBERS = ",".join(f"{x},{y}" for x, y in OUTLINE)
XML = f"""<Annotations>
 <image file="0200.jpg">
   <box height="197" left="131" top="49" width="399">
     <label>OLATHE &amp; 1,2</label>
     <segs>{NUMBERS}</segs>
     <pts x="183" y="95" />
   </box>
   <box height="197" left="131" top="49" width="399"><label>###</label><segs>{NUMBERS}</segs></box>
   <box height="197" left="131" top="49" width="399"><label/><segs> {NUMBERS} </segs></box>
   <box height="1" left="1" top="4" width="3"><label>cut</label><segs>1,2,3</segs></box>
   <box height="1" left="1" top="4" width="3"><label>none</label></box>
   <box height="1" left="1" top="4" width="3"><label>point</label><segs>{"5,5," * 13}5,5</segs></box>
 </image>
</Annotations>
"""


def opened(root: Path, **options) -> tuple[Ctw1500, Context]:
    context = Context(task=Task.detection)
    return Ctw1500(PairedConfig(name="ctw1500", root=root, **options), context), context


def read(folder: Path, data: bytes, name: str = "image.txt") -> tuple[Labels, Context]:
    (folder / "image.png").touch()
    dataset, context = opened(folder)
    (folder / name).write_bytes(data)
    return dataset.read(folder / name), context


@pytest.mark.skipif(not REAL.is_file(), reason=f"no {REAL}")
def test_all_rows_of_the_test_set(tmp_path: Path) -> None:
    """Real rows, named and marked as in the official release, with stand-ins for the images."""
    with zipfile.ZipFile(REAL) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    (tmp_path / "test_images").mkdir()
    (tmp_path / "gt_ctw1500").mkdir()
    for name, rows in texts.items():
        marked = [
            ",".join([*row.split(",")[:28], "####" + row.split(",", 28)[28]]) for row in rows.splitlines()
        ]
        (tmp_path / "gt_ctw1500" / f"000{name}").write_text("\n".join(marked), encoding="utf-8")
        (tmp_path / "gt_ctw1500" / f"plain_{name}.rows").write_text(rows, encoding="utf-8")
        Pillow.new("L", (1, 1)).save(tmp_path / "test_images" / f"{Path(name).stem}.jpg")
    dataset, context = opened(tmp_path)
    test = dataset.test
    assert (dataset.train, len(test), context.data_report.labels) == (None, 500, 3068)
    for index, file in enumerate(test.files):
        labels = test.labels(index)
        plain = dataset.read(tmp_path / "gt_ctw1500" / f"plain_{file.stem}.txt.rows")
        rows = texts[f"{file.stem}.txt"].splitlines()
        for row, polygon, text, ignored in zip(
            rows, labels.polygons, labels.texts, labels.ignore, strict=True
        ):
            *numbers, written = row.split(",", 28)
            assert text == written.strip()
            assert ignored or polygon.ravel().tolist() == [int(number) for number in numbers]
        assert plain.texts == labels.texts
        assert all(map(lambda a, b: (a == b).all(), plain.polygons, labels.polygons))
    told = {entry.reason for entry in context.data_report.skipped}
    assert told <= {"the outline crosses itself: kept as don't care"}


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (f"{NUMBERS},####OLATHE", "OLATHE"),
        (f"{NUMBERS},####1,968,", "1,968,"),
        (f"{NUMBERS},#######", "###"),
        (f"{NUMBERS},####", ""),
        (f"{NUMBERS},OLATHE", "OLATHE"),
        (f"{NUMBERS},1,2", "1,2"),
        (f"{NUMBERS},###", "###"),
        (NUMBERS, ""),
        ("131,49,530,246," + ",".join(f"{x - 131},{y - 49}" for x, y in OUTLINE), ""),
    ],
)
def test_a_row_of_each_form(tmp_path: Path, row: str, text: str) -> None:
    (tmp_path / "image.png").touch()
    assert opened(tmp_path)[0].parse(row) == (OUTLINE, text)


def test_marked_outlines_of_other_numbers_of_points_and_bad_rows(tmp_path: Path) -> None:
    data = "695,885,866,888,867,1146,696,1143,####Latin 9\n695,885,866,####a\n695,885,word\n"
    labels, context = read(tmp_path, f"\ufeff{data}{NUMBERS},#######\r\n".encode())
    assert (labels.texts, labels.ignore) == (["Latin 9", ""], [False, True])
    assert [(e.line, e.reason) for e in context.data_report.skipped] == [
        (2, "3 coordinates do not form points"),
        (3, "not x1,y1,…,x14,y14,####TEXT: '695,885,word'"),
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_xml_of_the_training_set(tmp_path: Path, end: str) -> None:
    labels, context = read(tmp_path, ("\ufeff" + XML.replace("\n", end)).encode(), "image.xml")
    assert labels.texts == ["OLATHE & 1,2", "", "", "cut", "none", "point"]
    assert labels.ignore == [False, True, False, False, False, False]
    assert [polygon.tolist() for polygon in labels.polygons[3:]] == [[[1, 4], [4, 4], [4, 5], [1, 5]]] * 3
    assert labels.polygons[0].tolist() == [list(point) for point in OUTLINE]
    assert context.data_report.labels == 6
    assert [(e.line, e.reason) for e in context.data_report.skipped] == [
        (10, "3 coordinates do not form points: its box is used"),
        (11, "'' is not a number: its box is used"),
        (12, "the outline has no area: its box is used"),
    ]


def test_a_training_image_goes_with_its_xml_and_a_test_image_with_its_rows(tmp_path: Path) -> None:
    for folder in ("train_images", "ctw1500_train_labels", "test_images", "gt_ctw1500"):
        (tmp_path / folder).mkdir()
    (tmp_path / "ctw1500_train_labels" / "0001.xml").write_text(XML, encoding="utf-8")
    (tmp_path / "gt_ctw1500" / "0001001.txt").write_text(f"{NUMBERS},####x", encoding="utf-8")
    Pillow.new("RGB", (600, 300)).save(tmp_path / "train_images" / "0001.jpg")
    Pillow.new("RGB", (600, 300)).save(tmp_path / "test_images" / "1001.jpg")
    dataset, _ = opened(tmp_path, val_share=0)
    assert [len(dataset.train[0].polygons), len(dataset.test[0].polygons)] == [6, 1]


@pytest.mark.parametrize(
    "data",
    [XML.encode()[:300], b"", b"<a>&b;</a>", b'<?xml version="1.0" encoding="odd"?><a/>', b"<a>\xff</a>"],
)
def test_damaged_xml_is_named(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(
        DataError, match=r"image\.xml' is (not XML: line \d|XML in an encoding that cannot be read)"
    ):
        read(tmp_path, data, "image.xml")


def test_xml_of_another_kind_is_no_image_without_text(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no <image>: it is XML, but not CTW1500's"):
        read(tmp_path, b"<PcGts><Page/></PcGts>", "image.xml")
    empty = b'<Annotations><image file="image.png"/></Annotations>'
    assert read(tmp_path, empty, "image.xml")[0].polygons == []


pieces = st.sampled_from(
    ["<box>", "</box>", "<segs>", "</segs>", "<label>", "</label>", "1,2,3,9,8,7", "a&amp;"]
)


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=200)
    | st.lists(pieces).map(lambda parts: f"<image>{''.join(parts)}</image>".encode())
    | st.text("0123456789,#\n", max_size=200).map(str.encode),
    st.sampled_from(["image.txt", "image.xml"]),
)
def test_random_bytes_are_read_or_refused_and_every_label_accounted_for(
    tmp_path: Path, data: bytes, name: str
) -> None:
    try:
        labels, context = read(tmp_path, data, name)
    except DataError as fault:
        refusal = str(fault)
        assert any(
            reason in refusal for reason in ("UTF-16", "is not XML", "in an encoding", "has no <image>")
        )
        return
    kept_yet_entered = sum("kept as" in entry.reason for entry in context.data_report.skipped)
    assert (
        context.data_report.labels == len(labels.texts) + len(context.data_report.skipped) - kept_yet_entered
    )
