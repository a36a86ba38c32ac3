"""The heights that a detector has learned, and warnings of texts that are smaller."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.dark import DarkRegions
from helpers.outlines import box
from hypothesis import given
from hypothesis import strategies as st

from ocr_trainer.config.compose import compose
from ocr_trainer.data.types import Batch, GroundTruth, Sample
from ocr_trainer.tasks.detection.config import TilesConfig
from ocr_trainer.tasks.detection.data import ScoringCollate, prepare_page
from ocr_trainer.tasks.detection.heights import count_heights, count_small, least_learned
from ocr_trainer.tasks.detection.task import DetectionTask
from ocr_trainer_runtime.pipeline import detect


@given(st.lists(st.tuples(st.integers(1, 400), st.booleans()), max_size=30))
def test_heights_are_counted(texts: list[tuple[int, bool]]) -> None:
    polygons = [box(0, 0, 500, height) for height, _ in texts]
    counts = count_heights(polygons, np.array([ignored for _, ignored in texts], dtype=bool))
    cared = [min(height, 256) for height, ignored in texts if not ignored]
    assert counts.tolist() == [cared.count(height) for height in range(257)]


def test_the_least_height_is_that_of_nearly_all_texts() -> None:
    counts = np.zeros(257, dtype=np.int64)
    assert least_learned(counts) is None
    counts[3], counts[12], counts[30] = 9, 500, 491
    assert least_learned(counts) == 12  # 9 of 1000 are lower
    counts[3] = 11
    assert least_learned(counts) == 3
    assert least_learned({"text_heights": counts.tolist()}) == 3
    assert least_learned({}) is None


def long_page() -> np.ndarray:
    image = np.full((4000, 200, 3), 255, np.uint8)
    for top in range(11, 4000, 40):
        image[top : top + 18, 20:150] = 20
    return image


def test_a_page_that_is_shrunk_too_far_is_warned_of() -> None:
    model, page = DarkRegions().eval(), long_page()
    whole = detect(model, page, TilesConfig(enabled=False), least=6)
    assert whole.polygons == []
    assert whole.warnings == [
        "the model sees the page at 8% of its size: texts lower than 71 pixels are smaller there than what it"
        " has learned (6 pixels)"
    ]
    assert detect(model, page, TilesConfig(), least=6).warnings == []
    assert detect(model, page, TilesConfig(enabled=False)).warnings == []  # not known
    blank = np.full((90, 80, 3), 255, np.uint8)
    assert detect(model, blank, least=6).warnings == []


def task_of(tmp_path: Path) -> DetectionTask:
    run = compose(["model=dbnet", "dataset=synthetic", "logger=[]", "tiles.enabled=false"])
    return DetectionTask(DarkRegions().eval(), run, tmp_path, 4)


def test_what_was_learned_goes_into_the_checkpoint_and_back(tmp_path: Path) -> None:
    task, again = task_of(tmp_path), task_of(tmp_path)
    task.text_heights[20] = 150
    checkpoint: dict = {}
    task.on_save_checkpoint(checkpoint)
    again.restore_training(checkpoint["ocr_trainer"])
    assert again.text_heights.tolist() == task.text_heights.tolist()
    again.restore_training({})  # of an older version
    assert again.text_heights.sum() == 150


@pytest.mark.parametrize(("tiles", "small"), [(TilesConfig(enabled=False), 100), (TilesConfig(), 0)])
def test_a_test_says_how_many_texts_are_too_small(
    tmp_path: Path, tiles: TilesConfig, small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, said = task_of(tmp_path), []
    monkeypatch.setattr(task, "print", said.append)
    task.text_heights[6] = 150
    labels = [box(20, top, 150, top + 18) for top in range(11, 4000, 40)]
    sample = Sample(long_page(), labels, [""] * 100, np.zeros(100, bool), "here")
    image, truth = prepare_page(sample, task.model, tiles)
    assert isinstance(truth, GroundTruth)
    assert count_small(truth, 6) == small
    batch: Batch = ScoringCollate(32)([(image, truth, [])])
    monkeypatch.setattr(type(task), "num_images_to_log", 0)
    task.reset_scores()
    task.validation_step(batch, 0)
    scores = task.score("test")
    assert scores["recall"] == (0 if small else 1)
    notes = [note for note in task.score_notes() if "hardly" in note]
    assert notes == ([] if not small else [said[0].removeprefix("test: ")])
    if small:
        assert notes[0].startswith("100 of 100 texts are lower than 6 pixels as the model sees them")
