"""`ocr-train score` on outlines: published scores from the command line, and error messages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from helpers import fakes, metrics
from hypothesis import given
from hypothesis import strategies as st

from ocr_trainer.cli.score import score
from ocr_trainer.errors import ConfigError, DataError, PluginBroken, PluginNotFound
from ocr_trainer.metrics.icdar import average_precision

DATA = Path(os.environ.get("OCR_TRAINER_DATA", Path(__file__).parents[3] / "shared" / "data"))
FIXTURES = DATA / "metric_fixtures"
needs_fixtures = pytest.mark.skipif(
    not FIXTURES.exists(), reason="metric_fixtures is missing (set OCR_TRAINER_DATA)"
)
EXPECTED = FIXTURES / "expected.json"


def scored(tmp_path: Path, gt: Path, pred: Path, *words: str) -> dict[str, Any]:
    file = tmp_path / "report.json"
    assert score(["--gt", str(gt), "--pred", str(pred), "--json", str(file), *words]) == 0
    return json.loads(file.read_text(encoding="utf-8"))


@needs_fixtures
@pytest.mark.parametrize(
    ("gt", "pred", "key"),
    [
        ("tiou_icdar2015/gt.zip", "tiou_icdar2015/pixellinkch4.zip", "ICDAR2015 IoU 0.5"),
        ("tiou_curved/total-text-gt.zip", "tiou_curved/total-text_baseline.zip", "baseline.zip, IoU 0.5"),
        ("tiou_curved/ctw1500-gt.zip", "tiou_curved/det_ctw1500.zip", "det_ctw1500.zip, IoU 0.5"),
    ],
)
def test_icdar_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], gt: str, pred: str, key: str
) -> None:
    (figures,) = (
        v for name, v in json.loads(EXPECTED.read_text(encoding="utf-8")).items() if name.endswith(key)
    )
    if isinstance(figures["checked_here"], dict):
        figures = figures["checked_here"]  # four decimals, with counts
    report = scored(tmp_path, FIXTURES / gt, FIXTURES / pred, "--metric", "icdar")
    printed = {" ".join(w[:-1]): w[-1] for w in map(str.split, capsys.readouterr().out.splitlines())}
    for name in ("recall", "precision", "hmean"):
        assert round(report["scores"][name], 4) == figures[name]
        assert printed[name] == f"{figures[name]:.4f}"
    for published, ours in {"gt_cared": "truths", "det_cared": "detections", "matched": "matched"}.items():
        assert report["counts"][ours] == figures.get(published, report["counts"][ours])


@needs_fixtures
def test_cleval_figures(tmp_path: Path) -> None:
    archives = [FIXTURES / "cleval" / f"{side}_eval_doc_v1_kr.zip" for side in ("gt", "res")]
    report = scored(tmp_path, *archives, "--metric", "cleval")
    assert report["scores"]["hmean"] == pytest.approx(0.977989360950786, abs=1e-15)
    assert report["scores"]["end_to_end_hmean"] == pytest.approx(0.9165773847119407, abs=1e-15)
    assert report["counts"]["true_positives"] == 46218
    assert (report["images"], report["left_out"]) == (100, [])
    # Only the ground truth is in lower case.
    ignoring = scored(tmp_path, *archives, "--metric", "cleval", "--ignore-case")
    assert ignoring["scores"]["hmean"] == report["scores"]["hmean"]
    assert ignoring["scores"]["end_to_end_hmean"] > 0.96


@needs_fixtures
def test_figures_of_metric_plugins(tmp_path: Path) -> None:
    curved = [FIXTURES / "tiou_curved" / name for name in ("total-text-gt.zip", "total-text_baseline.zip")]
    report = scored(tmp_path, *curved, "--metric", "tiou")
    assert {name: round(score, 3) for name, score in report["scores"].items()} == {
        "precision": 0.619,
        "recall": 0.479,
        "hmean": 0.54,
    }
    assert report["counts"] == {"truths": 2545, "detections": 2098, "dont_care": 331}
    rules = ("recall=0.7", "precision=0.6", "merge=0.8")
    report = scored(tmp_path, *curved, "--metric", "deteval", *rules)
    assert {name: round(score, 2) for name, score in report["scores"].items()} == {
        "precision": 0.78,
        "recall": 0.68,
        "hmean": 0.73,
    }


# Small examples


def folder(path: Path, files: dict[str, str]) -> Path:
    path.mkdir()
    for name, content in files.items():
        (path / name).write_text(content, encoding="utf-8")
    return path


@pytest.fixture
def gt(tmp_path: Path) -> Path:
    return folder(
        tmp_path / "gt",
        {
            "gt_img_1.txt": "0,0,40,0,40,10,0,10,word\n0,20,40,20,40,30,0,30,###\n",
            "gt_img_2.txt": "0,0,40,0,40,10,0,10,text\n",
        },
    )


def test_all_row_forms_of_predictions(tmp_path: Path, gt: Path) -> None:
    for row, detected in {
        "0,0,40,10": 1.0,
        "0,0,40,10,0.5": 1.0,
        "0, 0, 40, 0, 40, 10, 0, 10, 0.5, word": 1.0,
        "0,0,20,0,40,0,40,10,20,10,0,10": 1.0,
        "0,0,40,0,40,10,0,10,wood": 1.0,
        "0,50,40,60": 0.0,
    }.items():
        pred = folder(tmp_path / f"pred {len(list(tmp_path.iterdir()))}", {"res_img_1.txt": row})
        report = scored(tmp_path, gt, pred, "--metric", "icdar")
        assert report["counts"] == {"matched": detected, "truths": 2, "detections": 1, "dont_care": 1}
        assert report["scores"].get("average_precision", 0.5) == 0.5
        assert ("average_precision" in report["scores"]) == ("0.5" in row)
        report = scored(tmp_path, gt, pred, "--metric", "cleval")
        assert report["scores"]["recall"] == detected / 2
        assert ("end_to_end_recall" in report["scores"]) == ("wo" in row)


def test_iou_sets_the_threshold(tmp_path: Path, gt: Path) -> None:
    pred = folder(tmp_path / "pred", {"img_1.txt": "0,0,40,6"})
    for iou, matched in (("0.59", 1), ("0.6", 0)):
        report = scored(tmp_path, gt, pred, "--metric", "icdar", "--iou", iou)
        assert report["counts"]["matched"] == matched


def test_the_most_confident_detection_is_matched_first(tmp_path: Path, gt: Path) -> None:
    pred = folder(tmp_path / "pred", {"img_1.txt": "0,0,40,9,0.3\n0,0,40,10,0.9\n"})
    assert scored(tmp_path, gt, pred, "--metric", "icdar")["scores"]["average_precision"] == 1 / 2
    pred = folder(tmp_path / "worse", {"img_1.txt": "0,0,40,9,0.3\n0,50,40,60,0.9\n"})
    assert scored(tmp_path, gt, pred, "--metric", "icdar")["scores"]["average_precision"] == 1 / 4


def test_everything_that_is_left_out_is_reported(
    tmp_path: Path, gt: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "0,0,40,10\n5,5\n40,10,0,0\n"
    pred = folder(tmp_path / "pred", {"res_img_1.txt": rows, "res_img_9.txt": rows, "notes.md": ""})
    report = scored(tmp_path, gt, pred, "--metric", "icdar", "--max-skipped", "0.7")
    assert report["read"] == {
        "gt": {"rows": 3, "left_out": 0},
        "pred": {"rows": 6, "left_out": 4},
        "without": {"predictions": 1, "ground_truth": 1},
    }
    place = f"{pred}/res_img"
    assert report["left_out"] == [
        f"{pred}/notes.md: not a .txt file, not read",
        f"{place}_1.txt:2: not ltrb: '5,5'",
        f"{place}_1.txt:3: the box has a negative width or height: 40,10,0,0",
        f"{place}_9.txt:2: not ltrb: '5,5'",
        f"{place}_9.txt:3: the box has a negative width or height: 40,10,0,0",
        f"{place}_9.txt: no ground truth, not scored",
        f"{gt}/gt_img_2.txt: no predictions, scored as an image without detections",
    ]
    printed = capsys.readouterr().out
    assert "left out or noted: 7\n" in printed
    table = [" ".join(line.split()) for line in printed.splitlines()]
    assert {"predictions left out 4 of 6", "without predictions 1", "without ground truth 1"} <= set(table)
    assert all(entry in printed for entry in report["left_out"])


@pytest.mark.parametrize("metric", ["icdar", "cleval", "tiou"])
def test_too_many_unusable_rows_are_refused(tmp_path: Path, gt: Path, metric: str) -> None:
    """A row that is left out would cost nothing: half of these would score a precision of 1."""
    pred = folder(tmp_path / "pred", {"res_img_1.txt": "0,0,40,10\n30,20,20,10\n"})
    for sides in ((gt, pred), (pred, gt)):
        with pytest.raises(DataError) as caught:
            score(["--gt", str(sides[0]), "--pred", str(sides[1]), "--metric", metric])
        what, flag = ("predictions", "--pred-form") if sides[1] == pred else ("ground truth", "--form")
        assert str(caught.value) == (
            f"1 of 2 rows of the {what} cannot be used, more than --max-skipped 0.01 allows:\n"
            f"  {pred}/res_img_1.txt:2: the box has a negative width or height: 30,20,20,10\n"
            f"  they are read as ltrb; for left, top, width, height, set {flag} xywh,\n"
            f"  for rotated boxes {flag} ltrb+angle or {flag} cxcywh+angle"
        )
    report = scored(tmp_path, gt, pred, "--metric", metric, "--pred-form", "xywh")
    assert report["read"]["pred"] == {"rows": 2, "left_out": 0}


def test_names_with_separators_of_windows(tmp_path: Path, gt: Path) -> None:
    with ZipFile(tmp_path / "win.zip", "w") as archive:
        for number in (1, 2):
            archive.writestr(f"submit\\res_img_{number}.txt", "0,0,40,10\n")
    report = scored(tmp_path, gt, tmp_path / "win.zip", "--metric", "icdar")
    assert report["scores"]["hmean"] == 1
    assert report["left_out"] == []


def test_outlines_that_cross_themselves_count(tmp_path: Path) -> None:
    """The one row that cannot be used is a single point; the bow is noted once for each side."""
    rows = "0,0,40,10,40,0,0,10,bow\n39,292,###\n0,20,40,20,40,30,0,30,word\n"
    gt = folder(tmp_path / "gt", {"1.txt": rows})
    forms = ("--form", "poly+text", "--pred-form", "poly+text", "--max-skipped", "0.4")
    report = scored(tmp_path, gt, gt, "--metric", "icdar", *forms)
    noted = [
        *2 * [f"{gt}/1.txt:2: 1 point is not a polygon, not scored"],
        *2
        * [
            f"{gt}: 1 of 2 outlines of four points cross themselves, most likely because their corners come in"
            " another order than around the outline; they are scored as they are"
        ],
    ]
    assert report["left_out"] == noted
    assert report["counts"] == {"matched": 2, "truths": 2, "detections": 2, "dont_care": 1}
    for metric in ("cleval", "tiou", "deteval"):
        report = scored(tmp_path, gt, gt, "--metric", metric, *forms)
        assert report["left_out"] == noted
    upright = folder(tmp_path / "upright", {"1.txt": rows.replace("40,10,40,0", "40,0,40,10")})
    report = scored(tmp_path, upright, gt, "--metric", "icdar", *forms)
    assert (report["counts"]["matched"], report["counts"]["detections"]) == (1, 2)


def test_dont_care_sets_the_texts_that_are_not_scored(tmp_path: Path) -> None:
    gt = folder(tmp_path / "gt", {"1.txt": "0,0,40,10,a\n0,20,40,30,#\n0,40,40,50,###\n"})
    assert scored(tmp_path, gt, gt, "--metric", "icdar")["counts"]["truths"] == 2
    report = scored(tmp_path, gt, gt, "--metric", "icdar", "--dont-care", "#", "--dont-care", "a")
    assert report["counts"]["truths"] == 1


def test_no_predictions_at_all(tmp_path: Path, gt: Path) -> None:
    pred = folder(tmp_path / "pred", {"1.txt": "", "2.txt": "\r\n"})
    for metric in ("icdar", "cleval"):
        report = scored(tmp_path, gt, pred, "--metric", metric)
        assert set(report["scores"].values()) == {0.0}
        assert report["forms"] == {"gt": "quad+text", "pred": None}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--metric cleval --iou 0.5", "--iou is for --metric icdar: cleval matches by characters"),
        (
            "--metric icdar --ignore-case",
            "--ignore-case is for --metric cleval: icdar ignores texts",
        ),
        ("--metric icdar --iou 1", "--iou must be at least 0 and below 1, not 1"),
        ("--metric icdar --max-skipped 2", "--max-skipped must be from 0 to 1, not 2"),
        ("--metric icdar --form quad+confidence", "--form quad+confidence: ground truth has no confidences"),
    ],
)
def test_invalid_options_are_refused(gt: Path, words: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        score(["--gt", str(gt), "--pred", str(gt), *words.split()])
    assert str(caught.value) == message


def test_ground_truth_and_predictions_without_a_common_image_are_refused(tmp_path: Path, gt: Path) -> None:
    pred = folder(tmp_path / "pred", {"a.txt": "0,0,40,10"})
    with pytest.raises(DataError) as caught:
        score(["--gt", str(gt), "--pred", str(pred), "--metric", "icdar"])
    assert str(caught.value) == (
        "no prediction file matches a ground truth file\n"
        f"  ground truth such as '{gt}/gt_img_1.txt', predictions such as '{pred}/a.txt'\n"
        "  name them gt_X.txt and res_X.txt, or X.txt, with the same X"
    )
    empty = folder(tmp_path / "empty", {"1.txt": ""})
    with pytest.raises(DataError, match="the ground truth has no rows"):
        score(["--gt", str(empty), "--pred", str(gt), "--metric", "icdar"])


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=12), st.integers(1, 4))
def test_average_precision(found: list[tuple[float, bool]], missed: int) -> None:
    """It equals a direct implementation of the challenge's script."""
    right, total = 0, 0.0
    for place, (_, hit) in enumerate(sorted(found, key=lambda pair: -pair[0]), start=1):
        right += hit
        total += right / place if hit else 0
    ground_truths = sum(hit for _, hit in found) + missed
    confidences, hits = np.array([c for c, _ in found]), np.array([h for _, h in found], dtype=bool)
    assert average_precision(confidences, hits, ground_truths) == pytest.approx(total / ground_truths)


def test_scoring_needs_no_torch(gt: Path) -> None:
    code = (
        "import sys; from ocr_trainer.cli.score import score\n"
        "for metric in ('icdar', 'cleval'): score(['--gt', sys.argv[1], '--pred', sys.argv[1], '--metric', metric])\n"
        "print(sorted({'torch', 'lightning', 'hydra', 'omegaconf'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(gt)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


# Metric plugins


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        (
            ["--metric", "tio"],
            PluginNotFound,
            "no metric plugin named 'tio' is installed. Did you mean 'tiou'?",
        ),
        (["--metric", "tiou", "recall=1"], ConfigError, "metric 'tiou' has no option 'recall'."),
        (["--metric", "deteval", "recal=1"], ConfigError, "has no option 'recal'. Did you mean 'recall'?"),
        (["--metric", "deteval", "recall=much"], ConfigError, "recall=much: "),
        (["--metric", "deteval", "recall=2"], ConfigError, "recall must be above 0 and at most 1, not 2"),
        (
            ["--metric", "deteval", "recall"],
            ConfigError,
            "'recall' is not an option of the metric: write KEY=VALUE",
        ),
        (["--metric", "tiou", "--iou", "0.5"], ConfigError, "--iou is for --metric icdar"),
    ],
)
def test_metrics_and_options_that_do_not_exist(
    tmp_path: Path, gt: Path, words: list[str], error: type[Exception], said: str
) -> None:
    pred = folder(tmp_path / "pred", {"img_1.txt": "0,0,40,10"})
    with pytest.raises(error) as raised:
        score(["--gt", str(gt), "--pred", str(pred), *words])
    assert said in str(raised.value)


def test_a_strangers_metric_scores_files_or_fails_in_one_message(tmp_path: Path, gt: Path) -> None:
    metrics.install(tmp_path / "acme")
    pred = folder(tmp_path / "pred", {"img_1.txt": "0,0,40,10"})
    with fakes.visible(tmp_path / "acme"):
        report = scored(tmp_path, gt, pred, "--metric", "dictated")
        assert report["scores"] == {"gain": 0.5, "cost": 0.5}
        assert report["counts"] == {"truths": 3, "detections": 1, "dont_care": 1}
        with pytest.raises(PluginBroken, match="cannot be used: RuntimeError: compute is broken"):
            score(["--gt", str(gt), "--pred", str(pred), "--metric", "dictated", "fails_in=compute"])
