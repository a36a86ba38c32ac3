"""Finding and reading scored together: by hand-made findings, and as `ocr-train test --recognizer` does it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.checkpoints import DETECTOR, RECOGNIZER, write_checkpoint

from ocr_trainer.cli.main import main
from ocr_trainer.data.types import Detections, Recognition, Sample
from ocr_trainer.errors import ConfigError
from ocr_trainer.evaluation.end_to_end import EndToEnd, count_image
from ocr_trainer.evaluation.pipeline import trained_margin
from ocr_trainer_runtime.pipeline import Pipeline, recognize


def box(left: float, width: float, top: float = 0.0) -> np.ndarray:
    right, bottom = left + width, top + 20
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float32)


def sample(*texts: str, ignore: tuple[int, ...] = ()) -> Sample:
    """Lay texts out in a row, 100 pixels each."""
    flags = np.array([n in ignore for n in range(len(texts))])
    polygons = [box(120.0 * n, 100) for n in range(len(texts))]
    return Sample(np.zeros((20, 800, 3), np.uint8), polygons, list(texts), flags, "a page")


def counted(truth: Sample, polygons: list[np.ndarray], texts: list[str]) -> EndToEnd:
    found = Detections(polygons, np.ones(len(polygons), np.float32))
    return count_image(truth, found, [Recognition(t, np.ones(len(t), np.float32), 1.0) for t in texts])


def words(counts: EndToEnd) -> tuple[int, int, int]:
    return counts.texts, counts.exact, counts.ignore_case


def test_all_found_and_read():
    truth = sample("TOTAL", "12.50", "Café")
    counts = counted(truth, truth.polygons, truth.texts)
    assert words(counts) == (3, 3, 3)
    assert set(counts.scores().values()) == {1.0}


def test_a_text_is_right_as_a_whole_and_where_it_was_found():
    truth = sample("TOTAL", "12.50", "Cash", "unseen")
    # One letter wrong; case wrong; found in the wrong place; not found.
    counts = counted(truth, [box(0, 100), box(120, 100), box(300, 100)], ["T0TAL", "12.50", "Cash"])
    assert words(counts) == (4, 1, 1)
    counts = counted(truth, truth.polygons[:3], ["total", "12.50", "CASH"])
    assert words(counts) == (4, 1, 3)
    assert counts.scores()["e2e_word_accuracy"] == 0.25
    assert counts.scores()["e2e_word_accuracy_ignore_case"] == 0.75


def test_the_figures_of_cleval_by_hand():
    # Of 5 + 4 characters one is misread, 4 are not found, and 3 were read where there is nothing.
    truth = sample("TOTAL", "Cash")
    counts = counted(truth, [box(0, 100), box(600, 100)], ["T0TAL", "abc"])
    scores = counts.scores()
    assert scores["e2e_cleval_recall"] == pytest.approx(4 / 9)
    assert scores["e2e_cleval_precision"] == pytest.approx(4 / 8)


def test_a_label_in_another_form_is_not_wrong():
    truth = sample("Cafe\u0301", "  two  words ", "a\u200bb")
    counts = counted(truth, truth.polygons, ["Caf\u00e9", "two words", "ab"])
    assert words(counts) == (3, 3, 3)
    assert counts.scores()["e2e_cleval_hmean"] == 1.0


@pytest.mark.parametrize("unknown", ["", "a\x00b", "\u200b"])
def test_what_is_not_known_is_not_asked_for(unknown: str):
    truth = sample("TOTAL", unknown, "###", ignore=(2,))
    counts = counted(truth, truth.polygons, ["TOTAL", "whatever", "anything"])
    assert words(counts) == (1, 1, 1)
    assert counts.scores()["e2e_cleval_hmean"] == 1.0


def test_counts_add_up_and_nothing_scores_nothing():
    one, two = sample("TOTAL"), sample("Cash", "12")
    first, second = counted(one, one.polygons, ["TOTAL"]), counted(two, two.polygons, ["cash", "13"])
    assert words(first + second) == (3, 1, 2)
    assert (first + second).cleval == first.cleval + second.cleval
    assert set(EndToEnd().scores().values()) == {0.0}


def test_the_margin_is_that_of_the_training():
    crops = {"name": "crops", "margin": 0.15, "of": {"name": "sroie", "margin": 0.9}}
    assert trained_margin({"dataset": crops}) == 0.15
    assert trained_margin({"dataset": {"name": "words", "margin": 0.5}}) == 0.0
    parts = {"a": {"dataset": crops}, "b": {"dataset": {"name": "words"}}}
    assert trained_margin({"dataset": {"name": "concat", "parts": parts}}) == 0.15
    parts["b"]["dataset"] = {"name": "crops", "margin": 0.05}
    with pytest.raises(ConfigError, match=r"margins of 0.05 and 0.15: choose one with margin="):
        trained_margin({"dataset": {"name": "concat", "parts": parts}})


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("checkpoints")
    detector = write_checkpoint(folder / "det.ckpt", DETECTOR)
    return detector, write_checkpoint(folder / "rec.ckpt", RECOGNIZER, seed=3)


def rebuilt(path: Path):
    from ocr_trainer.checkpoint.read import read
    from ocr_trainer.config.compose import compose
    from ocr_trainer.evaluation.rebuild import rebuild

    saved = read(path)
    return rebuild(compose([], saved["ocr_trainer"]["config"]), saved, path.parent)


def test_readings_come_in_the_order_of_their_images(pair: tuple[Path, Path]):
    model = rebuilt(pair[1])
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (int(h), int(w), 3), np.uint8) for h, w in rng.integers(8, 200, (11, 2))]
    together = recognize(model, images, batch_size=4)
    alone = [recognize(model, [image])[0] for image in images]
    assert [reading.text for reading in together] == [reading.text for reading in alone]
    assert len({reading.text for reading in alone}) > 1
    assert recognize(model, []) == []


def test_what_cannot_be_cut_out_reads_as_nothing_and_says_so(pair: tuple[Path, Path]):
    model = rebuilt(pair[1])
    image = np.full((40, 200, 3), 200, np.uint8)
    cv2.putText(image, "12", (10, 30), cv2.FONT_HERSHEY_SIMPLEX, 1, (0, 0, 0), 2)
    flat = np.array([(5, 5), (9, 5), (9, 5), (5, 5)], np.float32)
    found = Detections([flat, box(0, 60, 10), flat + 1000], np.ones(3, np.float32))
    recognitions = Pipeline(None, model).read(image, found)  # type: ignore[arg-type]
    assert [reading.text for reading in (recognitions[0], recognitions[2])] == ["", ""]
    assert recognitions[1].text == recognize(model, [image[10:31, 0:61]])[0].text
    assert len(found.warnings) == 2
    assert found.warnings[0].startswith("the text at 5, 5 cannot be read: ")


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, *given: str) -> int:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["ocr-train", *given])
    return main()


def report(folder: Path, name: str) -> dict:
    (made,) = (folder / "runs" / name).iterdir()
    return json.loads((made / "report.json").read_text(encoding="utf-8"))


def test_two_checkpoints_are_scored_end_to_end(
    pair: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    det, rec = map(str, pair)
    given = ["trainer.accelerator=cpu", "exp_name=both", "recognizer.beam=2", "--margin", "0.1"]
    assert run(monkeypatch, tmp_path, "test", det, "--recognizer", rec, *given) == 0
    told, printed = report(tmp_path, "both"), capsys.readouterr().out
    named = (
        "cleval_precision",
        "cleval_recall",
        "cleval_hmean",
        "word_accuracy",
        "word_accuracy_ignore_case",
    )
    assert {name for name in told["scores"] if "e2e" in name} == {f"test/e2e_{name}" for name in named}
    assert all(f"test/e2e_{name}" in printed for name in named)
    assert (told["checkpoint"], told["recognizer"], told["margin"]) == (det, rec, 0.1)
    assert (told["images"], told["test_split"], told["device"]) == (3, "test", "cpu")
    assert told["texts"] > 3
    assert {(p["kind"], p["name"]) for p in told["plugins"]} == {
        ("backbone", "resnet18"),
        ("optimizer", "adamw"),
        ("schedule", "cosine"),
        ("model", "dbnet"),
        ("model", "crnn"),
        ("dataset", "synthetic"),
    }
    (made,) = (tmp_path / "runs" / "both").iterdir()
    assert sorted(path.name for path in (made / "pictures").iterdir()) == ["1.png", "2.png", "3.png"]

    # What the detector finds is scored as without a recognizer.
    assert run(monkeypatch, tmp_path, "test", det, "trainer.accelerator=cpu", "exp_name=alone") == 0
    alone = report(tmp_path, "alone")["scores"]
    assert {name: told["scores"][name] for name in alone} == alone


@pytest.mark.parametrize(("limit", "images"), [("2", 2), ("0.5", 1), ("9", 3)])
def test_the_test_may_be_limited(
    limit: str, images: int, pair: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    words = ["trainer.accelerator=cpu", f"trainer.limit_test_batches={limit}", "data.log_images=0"]
    assert run(monkeypatch, tmp_path, "test", str(pair[0]), "--recognizer", str(pair[1]), *words) == 0
    assert report(tmp_path, "default")["images"] == images
