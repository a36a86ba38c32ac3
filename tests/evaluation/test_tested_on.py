"""What a test was scored on is said: split, images, texts, and what else was chosen on them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from helpers.checkpoints import DETECTOR, write_checkpoint

from ocr_trainer.cli.main import main
from ocr_trainer.config.compose import compose
from ocr_trainer.config.schema import plain
from ocr_trainer.data.types import Scored
from ocr_trainer.engine.scored_on import rows, scored_on

ROWS = "10,10,60,10,60,30,10,30,word\n10,40,60,40,60,60,10,60,###\n"


@pytest.fixture(scope="module")
def labeled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 labeled images, without any split."""
    root = tmp_path_factory.mktemp("labeled")
    for number in range(20):
        cv2.imwrite(str(root / f"img_{number}.png"), np.full((80, 90, 3), 255 - number, np.uint8))
        (root / f"gt_img_{number}.txt").write_text(ROWS)
    return root


def result_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[dict[str, Any], str]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["ocr-train", "test", *words, "output_dir=out"])
    assert main() == 0
    (report,) = (tmp_path / "out").rglob("report.json")
    printed = " ".join(capsys.readouterr().out.split())
    return json.loads(report.read_text(encoding="utf-8"))["tested_on"], printed


def test_a_share_of_a_folder_is_said_to_be_one(
    tmp_path: Path, labeled: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    detector = str(write_checkpoint(tmp_path / "det.ckpt", DETECTOR))
    words = (detector, "dataset=icdar2015", f"dataset.root={labeled}")
    entry, printed = result_of(tmp_path, monkeypatch, capsys, *words)
    count = entry["images"]
    assert 1 <= count < 10
    assert entry | {"notes": []} == {
        "split": "val",
        "images": count,
        "texts": count,
        "dont_care": count,
        "of_images": 20,
        "chosen_on_it": [],
        "notes": [],
    }
    assert f"tested on {count} of 20 images, the val split: {count} texts ({count} don't care)" in printed
    assert "dataset.val_share=0 scores all of them" in printed


def test_without_a_share_all_of_a_folder_is_scored(
    tmp_path: Path, labeled: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    detector = str(write_checkpoint(tmp_path / "det.ckpt", DETECTOR))
    words = (detector, "dataset=icdar2015", f"dataset.root={labeled}", "dataset.val_share=0")
    entry, printed = result_of(tmp_path, monkeypatch, capsys, *words)
    assert (entry["split"], entry["images"], entry["texts"]) == ("train", 20, 20)
    assert "tested on 20 images, the train split: 20 texts (20 don't care)" in printed


def entry_of(words: tuple[str, ...], split: str, saved: tuple[str, ...] | None) -> dict[str, Any]:
    content = None if saved is None else {"config": plain(compose(list(saved)))}
    calibration = {"chosen": {"box_threshold": 0.5, "unclip": "exact"}}
    return scored_on(split, Scored(2, 9, 1), 20, compose(list(words)), content, calibration)


FOLDER = ("model=dbnet", "dataset=icdar2015", "dataset.root=labeled")


def test_what_was_chosen_on_the_validation_split_is_said() -> None:
    for saved in (None, FOLDER):
        entry = entry_of(FOLDER, "val", saved)
        assert entry["chosen_on_it"] == [
            "the best checkpoint, by val/hmean",
            "model.box_threshold, model.unclip",
        ]
        assert dict(rows(entry)) == {
            "tested on": "2 of 20 images, the val split: 9 texts (1 don't care)",
            "chosen on it": "the best checkpoint, by val/hmean; model.box_threshold, model.unclip: the scores"
            " are optimistic",
        }
    (first, *_) = entry_of(FOLDER, "val", (*FOLDER, "checkpoint.monitor=recall"))["chosen_on_it"]
    assert first == "the best checkpoint, by val/recall"
    assert entry_of(FOLDER, "test", FOLDER)["chosen_on_it"] == []
    assert entry_of((*FOLDER[:2], "dataset.root=other"), "val", FOLDER)["chosen_on_it"] == []


def test_a_split_that_is_drawn_anew_is_warned_of() -> None:
    entry = entry_of((*FOLDER, "dataset.split_seed=1"), "val", FOLDER)
    assert entry["notes"] == [
        "its images are drawn in another way than in training, which may have seen them"
    ]
    assert entry_of(FOLDER, "val", FOLDER)["notes"] == []
