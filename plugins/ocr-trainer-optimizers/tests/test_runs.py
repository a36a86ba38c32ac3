"""Runs with these optimizers: they resume bit for bit, with clipping, averaging and bfloat16."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.cutting import RECOGNIZER, Cut, cut_off, differ, ocr_train, telling_scores
from helpers.launching import run_folder

from ocr_trainer.tasks.recognition.task import RecognitionTask

VARIANTS = {
    "lion": ["optimizer=lion"],
    "muon": ["optimizer=muon"],
    "muon_averaged": ["optimizer=muon", "ema.enabled=true", "trainer.gradient_clip_val=0.1"],
    "muon_bf16": ["optimizer=muon", "trainer.precision=bf16-mixed"],
}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_run_that_is_cut_off_resumes_exactly(name: str, tmp_path: Path):
    words = [*RECOGNIZER, *VARIANTS[name]]
    with telling_scores(RecognitionTask):
        assert ocr_train(tmp_path / "whole", words) == 0
        folder = cut_off(tmp_path / "cut", words, Cut("on_train_batch_end", 3))
        assert ocr_train(tmp_path / "cut", ["resume", str(folder)]) == 0
    assert differ(run_folder(tmp_path / "whole"), folder) == []


def test_a_run_resumes_with_its_own_optimizer_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = cut_off(tmp_path, [*RECOGNIZER, "optimizer=muon"], Cut("on_train_batch_end", 3))
    assert ocr_train(tmp_path, ["resume", str(folder), "optimizer=adamw", "optimizer.lr=1"]) == 2
    assert "  - optimizer.name: muon before, adamw now\n" in capsys.readouterr().err
    # Another division of the parameters would not fit the state of the optimizer.
    assert ocr_train(tmp_path, ["resume", str(folder), "optimizer.adamw=[between]"]) == 2
    assert "  - optimizer.adamw: ['head'] before, ['between'] now\n" in capsys.readouterr().err
