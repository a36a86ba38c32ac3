"""Reading files of the ICDAR challenges: row forms, folders, zip files, and unusual content."""

from __future__ import annotations

import math
import os
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_trainer.errors import ConfigError, DataError
from ocr_trainer.plugin import DataReport
from ocr_trainer.scoring import submission
from ocr_trainer.scoring.row_forms import DETECTED, FORMS, Form, detect, form_of
from ocr_trainer.scoring.submission import Page, Submission, image_of, read

DATA = Path(os.environ.get("OCR_TRAINER_DATA", Path(__file__).parents[3] / "shared" / "data"))
FIXTURES = DATA / "metric_fixtures"


def zipped(path: Path, files: dict[str, bytes | str]) -> Path:
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def opened(path: Path, form: Form | None = None) -> tuple[Submission, DataReport]:
    data_report = DataReport()
    return read(path, data_report, form, "--form", confidence=True), data_report


def page_of(tmp_path: Path, content: bytes | str, form: Form | None = None) -> tuple[Page, DataReport]:
    found, data_report = opened(zipped(tmp_path / "a.zip", {"gt_1.txt": content}), form)
    return found.pages["1"], data_report


# Forms


ARCHIVES = {
    "cleval/gt_IC13.zip": ("ltrb+text", 233, 1095),
    "cleval/gt_IC15.zip": ("quad+text", 500, 5230),
    "cleval/gt_TotalText.zip": ("poly+text", 300, 2548),
    "cleval/gt_eval_doc_v1_kr.zip": ("quad+text", 100, 10532),
    "cleval/res_eval_doc_v1_kr.zip": ("quad+text", 100, 10170),
    "tiou_icdar2015/gt_textline.zip": ("quad+text", 500, 1564),
    "tiou_icdar2015/pixellinkch4.zip": ("quad", 500, 2823),
    "tiou_curved/ctw1500-gt.zip": ("poly+text", 500, 3068),
    "tiou_curved/det_ctw1500.zip": ("poly", 500, 3340),
    "tiou_curved/total-text_baseline.zip": ("poly", 300, 2098),
}


@pytest.mark.skipif(not FIXTURES.exists(), reason="metric_fixtures is missing (set OCR_TRAINER_DATA)")
@pytest.mark.parametrize(("archive", "expected"), ARCHIVES.items())
def test_the_forms_of_real_archives(archive: str, expected: tuple[str, int, int]) -> None:
    found, data_report = opened(FIXTURES / archive)
    rows = sum(len(page.polygons) for page in found.pages.values())
    assert (str(found.form), len(found.pages), rows) == expected
    assert (data_report.images, data_report.labels, data_report.skipped) == (expected[1], expected[2], [])


numbers = st.integers(-20, 2000)


@given(form=st.sampled_from([form for form in DETECTED if form.shape != "msra_td500"]), data=st.data())
def test_forms_are_detected_and_rows_are_parsed(form: Form, data: st.DataObject) -> None:
    rows, wanted = [], []
    for _ in range(data.draw(st.integers(1, 5))):
        count = {"ltrb": 2, "quad": 4}.get(form.shape) or data.draw(st.sampled_from([3, 5, 9]))
        points = data.draw(st.lists(st.tuples(numbers, numbers), min_size=count, max_size=count))
        if form.shape == "ltrb":
            points = list(zip(*(sorted(values) for values in zip(*points, strict=True)), strict=True))
        sure = data.draw(st.integers(0, 1000)) / 1000 if form.confidence else 1.0
        text = "x" + data.draw(st.text("ab,# 1", max_size=8)).rstrip() if form.text else ""
        fields = [str(value) for point in points for value in point]
        fields += [str(sure)] * form.confidence + [text] * form.text
        rows.append(data.draw(st.sampled_from([",", ", ", " ,"])).join(fields))
        wanted.append((points, sure, text))
    assert detect(rows, confidence=True) == form
    for row, (points, sure, text) in zip(rows, wanted, strict=True):
        parsed = form.parse(row)
        corners = parsed.polygon[::2] if form.shape == "ltrb" else parsed.polygon
        assert [tuple(corner) for corner in corners] == points
        assert (parsed.confidence, parsed.text) == (sure, text)


@pytest.mark.parametrize(
    ("row", "points", "text"),
    [
        ("0,0,9,0,9,9,0,9,Breakfast,Lunch", 4, "Breakfast,Lunch"),
        ("0,0,9,0,9,9,0,9,2012", 4, "2012"),
        ("0,0,9,0,9,9,0,9,1,968", 4, "1,968"),
        ("0,0,9,0,9,9,0,9,24,hours", 4, "24,hours"),
        ("0,0,9,0,9,9,", 3, ""),
        ("39,292,###", 1, "###"),
    ],
)
def test_where_the_text_of_a_polygon_begins(row: str, points: int, text: str) -> None:
    parsed = Form("poly", text=True).parse(row)
    assert (len(parsed.polygon), parsed.text) == (points, text)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["0,0,9,0,9,9,0,9,2012", "0,0,9,0,9,9,0,9,24"], "rows such as '0,0,9,0,9,9,0,9,2012' fit no form"),
        (["one,two"], "rows such as 'one,two' fit no form"),
        (
            ["0,0,9,9,a"] + ["0,0,9,0,9,9,0,9,b"] + ["?"] * 2,
            "only 1 of 4 rows fit ltrb+text, the best form",
        ),
        (
            ["0,0,9,0,9,9,0,9,a"] * 9 + ["0,0,9,0,9,9,0,9,5,5,a"],
            "9 of 10 rows fit quad+text, 10 fit poly+text",
        ),
    ],
)
def test_a_form_that_cannot_be_detected(rows: list[str], message: str, tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"1.txt": "\n".join(rows)})
    with pytest.raises(DataError, match="cannot detect") as caught:
        opened(archive)
    assert f"cannot detect the form of the rows in '{archive}': {message}" in str(caught.value)
    assert "set it with --form, one of ltrb, ltrb+text" in str(caught.value)
    assert opened(archive, Form("quad", text=True))[0].form == Form("quad", text=True)


def test_forms_have_names() -> None:
    assert [form_of(str(form)) for form in FORMS] == list(FORMS)
    with pytest.raises(ConfigError, match=r"there is no form 'quad\+texts'\. Did you mean 'quad\+text'\?"):
        form_of("quad+texts")


# Rotated boxes


@given(st.tuples(*[st.integers(0, 400)] * 2), st.tuples(*[st.integers(1, 200)] * 2), st.floats(-3.1, 3.1))
def test_rotated_boxes_are_those_of_opencv(
    center: tuple[int, int], size: tuple[int, int], angle: float
) -> None:
    (x, y), (width, height), degrees = center, size, math.degrees(angle)
    corners = cv2.boxPoints(((x, y), (width, height), degrees))
    box = f"{x - width / 2},{y - height / 2},{x + width / 2},{y + height / 2}"
    rows = {
        "ltrb+angle": f"{box},{angle:.9f}",
        "ltrb+degrees": f"{box},{degrees:.9f}",
        "ltrb+angle+confidence": f"{box},{angle:.9f},0.5",
        "cxcywh+angle": f"{x},{y},{width},{height},{angle:.9f}",
        "cxcywh+degrees+text": f"{x},{y},{width},{height},{degrees:.9f},word",
        "msra_td500": f"7 0 {x - width / 2} {y - height / 2} {width} {height} {angle:.9f}",
    }
    for form, row in rows.items():
        points = form_of(form).parse(row).polygon
        # the same corners in the same order, but OpenCV starts elsewhere
        turns = [abs(np.roll(points, turn, axis=0) - corners).max() for turn in range(4)]
        assert min(turns) < 0.01


def test_rows_of_msra_td500_are_recognized(tmp_path: Path) -> None:
    rows = "0 0 100 50 80 20 0.1\r\n1 1 300 50 80 20 -0.2\r\n"
    found, _ = opened(zipped(tmp_path / "a.zip", {"IMG_0001.gt": rows}))
    assert str(found.form) == "msra_td500"
    assert found.pages["IMG_0001"].texts == ["", "###"]


ANGLES = ["10,10,110,40,0.3", "10,60,110,90,0", "10,120,110,150,-0.25"]


@pytest.mark.parametrize("form", ["ltrb+text", "xywh+text"])
def test_a_form_that_fits_only_by_ignoring_an_angle_is_refused(tmp_path: Path, form: str) -> None:
    archive = zipped(tmp_path / "a.zip", {"1.txt": "\n".join(ANGLES)})
    with pytest.raises(DataError, match=r"takes the last number of the rows") as caught:
        opened(archive, form_of(form))
    assert "set --formltrb+angle or --formcxcywh+angle" in str(caught.value)
    whole = zipped(tmp_path / "b.zip", {"1.txt": "10,10,110,40,12\n10,60,110,90,7"})
    assert opened(whole, form_of(form))[0].pages["1"].texts == ["12", "7"]  # house numbers, say
    quoted = zipped(tmp_path / "c.zip", {"1.txt": '10,10,110,40,"0.3"'})
    assert opened(quoted, form_of(form))[0].pages["1"].texts == ["0.3"]


@pytest.mark.parametrize("form", ["ltrb", "ltrb+confidence", "poly", "poly+text", "ltrb+angle"])
def test_no_form_reads_angles_as_something_else(tmp_path: Path, form: str) -> None:
    found, _ = opened(
        zipped(tmp_path / "a.zip", {"1.txt": "\n".join([ANGLES[2], "9,9,99,99,45"])}), form_of(form)
    )
    assert found.counts.unusable == (2 if form != "ltrb+angle" else 1)  # 45 is in degrees


def test_rows_of_five_numbers_are_not_guessed(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"1.txt": "\n".join(ANGLES)})
    with pytest.raises(DataError, match="start with five numbers: a box and an angle, or a confidence"):
        opened(archive)
    sure = zipped(tmp_path / "b.zip", {"1.txt": "10,10,110,40,0.3\n10,60,110,90,1"})
    assert str(opened(sure)[0].form) == "ltrb+confidence"


# Rows


def test_unusual_rows_are_read(tmp_path: Path) -> None:
    content = b'\xef\xbb\xbf0,0,9,0,9,9,0,9,"quoted, \\"so\\""\r\n\r\n 0, 0, -9, 0, -9, 9.5, 0, 9 , ### \r\n0,0,9,0,9,9,0,9,"open\n'
    page, data_report = page_of(tmp_path, content)
    assert page.texts == ['quoted, "so"', "###", '"open']
    assert page.polygons[1].tolist() == [[0, 0], [-9, 0], [-9, 9.5], [0, 9]]
    assert page.lines == [1, 3, 4]
    assert data_report.skipped == []


@pytest.mark.parametrize(
    ("row", "form", "reason"),
    [
        (b"0,0,9,0,9,9,a", "quad+text", "not quad+text: '0,0,9,0,9,9,a'"),
        (b"0,0,9,0,9,9,0,9,more", "quad", "not quad, the row has extra fields: '0,0,9,0,9,9,0,9,more'"),
        (b"0,0,9,0,9,9,0,nan,a", "quad+text", "a number is not finite: '0,0,9,0,9,9,0,nan,a'"),
        (b"0,0,9,0,9", "poly", "5 coordinates do not form points"),
        (b"text", "poly+text", "not poly+text: 'text'"),
        (b"9,0,0,9,a", "ltrb+text", "the box has a negative width or height: 9,0,0,9"),
        (b"9,9,-1,9,a", "xywh+text", "the box has a negative width or height: 9,9,8,18"),
        (b"0,0,9,9,3", "ltrb+confidence", "the confidence 3 is not from 0 to 1: '0,0,9,9,3'"),
        (b"0,0,9,9,sure,a", "ltrb+confidence+text", "not ltrb+confidence+text: '0,0,9,9,sure,a'"),
        (b"0,0,9,0,9,9,0,9,caf\xe9", "quad+text", "not UTF-8: byte 0xe9"),
    ],
)
def test_unreadable_rows_are_reported(row: bytes, form: str, reason: str, tmp_path: Path) -> None:
    page, data_report = page_of(tmp_path, b"\n" + row + b"\n", form_of(form))
    assert page.polygons == []
    assert [str(entry) for entry in data_report.skipped] == [f"{tmp_path}/a.zip/gt_1.txt:2: {reason}"]
    assert data_report.labels == 1


# Files


def test_a_folder_and_a_zip_file_give_the_same_pages(tmp_path: Path) -> None:
    files = {"gt_img_1.txt": "0,0,9,0,9,9,0,9,a\n", "gt_img_2.txt": ""}
    folder = tmp_path / "gt"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_text(content)
    for path in (folder, zipped(tmp_path / "gt.zip", files)):
        found, _ = opened(path)
        assert {image: page.texts for image, page in found.pages.items()} == {"1": ["a"], "2": []}


@pytest.mark.parametrize(
    "names",
    [
        ("gt_img_7.txt", "res_img_7.txt", "img_7.txt", "7.txt", "deep/er/gt_7.TXT"),
        ("poly_gt_img7.txt", "img7.txt", "res_img7.txt"),
        ("gt_kr_doc_KR1.txt", "kr_doc_KR1.txt"),
        ("gt_.txt", "gt_gt_.txt"),
        (r"submit\res_img_1.txt", r"C:\out\gt_img_1.TXT", "submit/img_1.txt"),
    ],
)
def test_file_names_of_the_same_image(names: tuple[str, ...]) -> None:
    assert len({image_of(name) for name in names}) == 1


def test_a_folder_of_folders_is_read_as_a_zip_file_is(tmp_path: Path) -> None:
    nested = tmp_path / "out" / "submit" / "res_1.txt"
    nested.parent.mkdir(parents=True)
    nested.write_text("1,1,2,2\n")
    assert list(opened(tmp_path / "out")[0].pages) == ["1"]
    (tmp_path / "out" / "res_2.txt").write_text("1,1,2,2\n")
    assert list(opened(tmp_path / "out")[0].pages) == ["2"]


def test_files_that_are_not_text_files_are_reported(tmp_path: Path) -> None:
    files = {"1.txt": "1,1,2,2", "a.jpg": "", "__MACOSX/._1.txt": "", ".1.txt": ""}
    _, data_report = opened(zipped(tmp_path / "a.zip", files))
    assert {Path(entry.file).name for entry in data_report.skipped} == {"._1.txt", ".1.txt", "a.jpg"}


def test_a_zip_file_is_never_extracted(tmp_path: Path) -> None:
    found, _ = opened(zipped(tmp_path / "a.zip", {"../evil.txt": "1,1,2,2"}))
    assert list(found.pages) == ["evil"]
    assert [path.name for path in tmp_path.rglob("*")] == ["a.zip"]
    assert not (tmp_path.parent / "evil.txt").exists()


def test_paths_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = "0,0,9,0,9,9,0,9,a\n"
    (tmp_path / "broken.zip").write_bytes(zipped(tmp_path / "a.zip", {"1.txt": row * 99}).read_bytes()[:-30])
    (tmp_path / "empty").mkdir()
    for name, message in {
        "nowhere": "there is no folder or zip",
        "broken.zip": "is neither a folder nor a valid zip file: File is not a zip file",
        "empty": "contains no .txt files; there must be one per image",
    }.items():
        with pytest.raises(DataError, match=message):
            opened(tmp_path / name)
    with pytest.raises(DataError, match=r"two files belong to the image '1': '.*/1\.txt' and '.*/gt_1\.txt'"):
        opened(zipped(tmp_path / "twice.zip", {"gt_1.txt": row, "1.txt": row}))
    with pytest.raises(DataError, match="UTF-16"):
        opened(zipped(tmp_path / "utf16.zip", {"1.txt": row.encode("utf-16")}))
    monkeypatch.setattr(submission, "MAX_FILE_BYTES", 1 << 20)
    bomb = zipped(tmp_path / "bomb.zip", {"1.txt": b"0" * (1 << 21)})
    assert bomb.stat().st_size < 1 << 16
    with pytest.raises(DataError, match="is larger than 1 MiB, the limit for one image's rows"):
        opened(bomb)
