"""A run's folder is its own. What can go wrong with it is in tests/faults/test_folders.py."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ocr_trainer.errors import ConfigError
from ocr_trainer.runs.run_dir import INHERITED, claim, hold, inherited, runs


def test_a_folder_holds_the_configuration_and_a_lock(tmp_path: Path):
    folder = claim(tmp_path, "a b/ü", "seed: 3\n")
    assert folder.parent == tmp_path / "a b" / "ü"
    assert {path.name for path in folder.iterdir()} == {"config.yaml", ".lock"}
    assert (folder / "config.yaml").read_text(encoding="utf-8") == "seed: 3\n"
    assert (folder / ".lock").read_text(encoding="utf-8").startswith(f"process {os.getpid()} on ")


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        claim(tmp_path / "file", "run")
    assert str(caught.value) == (
        f"cannot create a run directory in {tmp_path}/file/run: Not a directory\n"
        "  choose another folder with output_dir=…"
    )
    with pytest.raises(ConfigError) as caught:
        hold(tmp_path / "file")
    assert str(caught.value) == f"the run in {tmp_path}/file cannot be resumed: Not a directory"
    assert runs(tmp_path / "file", "run") == []


def test_further_processes_of_a_run_share_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(INHERITED, "")
    first = claim(tmp_path, "run")
    assert inherited() is None
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert claim(tmp_path, "run") == inherited() == first
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert claim(tmp_path, "run") != first
