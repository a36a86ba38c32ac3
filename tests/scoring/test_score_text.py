"""`ocr-train score --metric text`: files of rows, folders of files, and error messages."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ocr_trainer.cli.score import score
from ocr_trainer.errors import ConfigError, DataError

DATA = Path(os.environ.get("OCR_TRAINER_DATA", Path(__file__).parents[3] / "shared" / "data"))
needs_data = pytest.mark.skipif(not DATA.exists(), reason="the shared data is missing (set OCR_TRAINER_DATA)")


def scored(tmp_path: Path, gt: Path, pred: Path, *words: str) -> dict[str, Any]:
    file = tmp_path / "report.json"
    options = ["--gt", str(gt), "--pred", str(pred), "--metric", "text", "--json", str(file), *words]
    assert score(options) == 0
    return json.loads(file.read_text(encoding="utf-8"))


def written(path: Path, content: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content.encode("utf-8"))
    return path


def test_the_printed_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gt = written(tmp_path / "gt.txt", "a.png\thello\nb.png\tHELLO\nc.png\t$HELLO$\nd.png\t###\n")
    pred = written(tmp_path / "pred.txt", "c.png\thello\nb.png\thello\na.png\thello\nd.png\tx\n")
    report = scored(tmp_path, gt, pred)
    assert report["counts"]["texts"] == 3
    assert report["counts"]["dont_care"] == 1
    assert report["scores"]["word_accuracy"] == pytest.approx(1 / 3)
    assert report["scores"]["word_accuracy_alphanumeric"] == 1
    assert report["details"]["confusions"][0] == {"truth": "L", "read": "l", "count": 3}
    printed = capsys.readouterr().out
    assert "text; ground truth read as tab, predictions as tab" in printed
    assert "word accuracy ignore case" in printed
    assert "0.6667" in printed
    assert "'L' read as 'l' (3)" in printed
    assert "'$' read as nothing (1)" in printed
    assert scored(tmp_path, gt, pred, "--dont-care", "HELLO")["counts"]["texts"] == 3


@pytest.mark.parametrize(
    ("form", "content"),
    [
        ("tab", "1.png\tone, two\n2.png\tthree\n"),
        ("tab+confidence", "1.png\tone, two\t0.98\n2.png\tthree\t9.1e-05\n"),
        ("quoted", '\ufeff1.png, "one, two"\r\n2.png, "three"\r\n'),
        ("space", "1.png one, two\n2.png three\n"),
    ],
)
def test_forms_of_rows(form: str, content: str, tmp_path: Path) -> None:
    gt = written(tmp_path / "gt" / "1.gt.txt", "one, two\n").parent
    written(gt / "2.gt.txt", "three")
    pred = written(tmp_path / "pred.txt", content)
    for words in ((), ("--pred-form", form)):
        report = scored(tmp_path, gt, pred, *words)
        assert report["forms"] == {"gt": "folder", "pred": form}
        assert report["scores"]["word_accuracy"] == 1
        assert report["left_out"] == []


def test_ground_truth_and_predictions_in_one_folder(tmp_path: Path) -> None:
    """Tesseract and Calamari use this layout, next to the images."""
    files = {
        "1.gt.txt": "right",
        "1.txt": "wrong",
        "2.gt.txt": "a\n",
        "2.pred.txt": "a",
        "2.txt": "b",
        "1.png": "",
    }
    for name, content in files.items():
        written(tmp_path / "lines" / name, content)
    report = scored(tmp_path, tmp_path / "lines", tmp_path / "lines")
    assert (report["counts"]["texts"], report["counts"]["exact"]) == (2, 1)


@needs_data
@pytest.mark.parametrize(
    ("place", "form", "texts"),
    [
        ("words_icdar2015/gt.txt", "quoted", 800),
        ("words_iiit5k/train.tags", "space", 600),
        ("lines_ocrd_fraktur", "folder", 255),
    ],
)
def test_real_data_against_itself(place: str, form: str, texts: int, tmp_path: Path) -> None:
    report = scored(tmp_path, DATA / place, DATA / place, "--dont-care", "")
    assert report["forms"]["gt"] == form
    assert (report["counts"]["texts"], report["counts"]["exact"]) == (texts, texts)
    assert report["counts"]["character_errors"] == 0
    assert report["left_out"] == []


def test_names_with_separators_of_windows(tmp_path: Path) -> None:
    gt = written(tmp_path / "gt.txt", "train/1.png\ta\ntest/1.png\tb\n")
    pred = written(tmp_path / "pred.txt", "train\\1.png\ta\ntest\\1.png\tb\n")
    assert scored(tmp_path, gt, pred)["counts"]["exact"] == 2


def test_names_with_and_without_folders(tmp_path: Path) -> None:
    gt = written(tmp_path / "gt.txt", "train/1.png\ta\ntrain/2.png\tb\n")
    pred = written(tmp_path / "pred.txt", "1.jpg\ta\n2.jpg\tb\n")
    assert scored(tmp_path, gt, pred)["counts"]["exact"] == 2
    twice = written(tmp_path / "twice.txt", "train/1.png\ta\ntest/1.png\tb\n")
    with pytest.raises(DataError) as caught:
        scored(tmp_path, twice, pred)
    assert str(caught.value) == (
        "no name in the predictions matches one in the ground truth\n"
        "  ground truth such as 'train/1', predictions such as '1'"
    )


def test_everything_that_is_left_out_is_reported(tmp_path: Path) -> None:
    gt = written(tmp_path / "gt.txt", "1.png\ta\n2.png\tb\n2.png\tc\nno tab\n\n3.png\tx\ay\n\tz\n4.png\t\n")
    pred = written(tmp_path / "pred.txt", "1.png\ta\n4.png\t\n5.png\td\n")
    with pytest.raises(DataError, match="4 of 7 rows of the ground truth cannot be used, more than --max-sk"):
        scored(tmp_path, gt, pred)
    report = scored(tmp_path, gt, pred, "--max-skipped", "1")
    assert report["read"] == {
        "gt": {"rows": 7, "left_out": 4},
        "pred": {"rows": 3, "left_out": 0},
        "without": {"predictions": 1, "ground_truth": 1},
    }
    assert report["left_out"] == [
        f"{gt}:3: duplicate text for '2', not used",
        f"{gt}:4: not of the form tab: 'no tab'",
        f"{gt}:6: control character U+0007 in the text, not used",
        f"{gt}:7: the name is empty, not used",
        f"{pred}:3: no ground truth for '5', not scored",
        f"{gt}:2: no prediction for '2', scored as an empty text",
    ]
    assert (report["counts"]["texts"], report["counts"]["exact"]) == (3, 2)
    assert report["scores"]["ned_icdar2019"] == pytest.approx(1 / 3)
    assert report["scores"]["ned_mean"] == pytest.approx(2 / 3)


def test_no_predictions_at_all(tmp_path: Path) -> None:
    gt = written(tmp_path / "gt.txt", "1.png\ta\n")
    report = scored(tmp_path, gt, written(tmp_path / "pred.txt", "\n"))
    assert report["forms"] == {"gt": "tab", "pred": None}
    assert report["scores"]["cer"] == 1


def test_paths_that_cannot_be_read(tmp_path: Path) -> None:
    gt = written(tmp_path / "gt.txt", "1.png\ta\n")
    odd = written(tmp_path / "odd.txt", "what;is;this\n")
    bad = tmp_path / "bad"
    bad.mkdir()
    for path, message in {
        tmp_path / "nowhere": "there is no file or folder '.*nowhere'",
        odd: r"cannot detect the form of the rows in '.*odd.txt', such as 'what;is;this'\n"
        r"  set it with --pred-form, one of tab\+confidence, tab, q",
        bad: r"contains no \.txt files; there must be one per image",
    }.items():
        with pytest.raises(DataError, match=message):
            scored(tmp_path, gt, path)
    (bad / "1.txt").write_bytes(b"caf\xe9")
    assert "1.txt: not UTF-8: byte 0xe9" in scored(tmp_path, gt, bad, "--max-skipped", "1")["left_out"][0]
    with pytest.raises(DataError, match=r"the ground truth '.*bad' has no texts"):
        scored(tmp_path, bad, gt)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--iou 0.5", "--iou is for --metric icdar: text ignores outlines"),
        ("--ignore-case", "--ignore-case is for --metric cleval: text reports scores with and without case"),
        (
            "--form tabs",
            "there is no form 'tabs'. Did you mean 'tab'?\n  forms: tab+confidence, tab, quoted, space",
        ),
    ],
)
def test_invalid_options_are_refused(words: str, message: str, tmp_path: Path) -> None:
    gt = written(tmp_path / "gt.txt", "1.png\ta\n")
    with pytest.raises(ConfigError) as caught:
        scored(tmp_path, gt, gt, *words.split())
    assert str(caught.value) == message
