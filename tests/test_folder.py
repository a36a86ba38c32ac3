"""A run's folder is its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ocr_trainer.errors import ConfigError
from ocr_trainer.folder import INHERITED, claim

CLAIM = "import sys, time; from pathlib import Path; from ocr_trainer.folder import claim; time.sleep(max(0, {at} - time.time())); print(claim(Path(sys.argv[1]), 'a b/ü'))"


def test_runs_that_start_in_the_same_instant_have_folders_of_their_own(tmp_path: Path):
    import time

    code = CLAIM.format(at=time.time() + 1.0)
    started = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(12)
    ]
    folders = [process.communicate(timeout=60)[0].strip() for process in started]
    assert len(set(folders)) == 12
    assert all(Path(folder).is_dir() and Path(folder).parent == tmp_path / "a b" / "ü" for folder in folders)


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError) as caught:
        claim(tmp_path / "file", "run")
    assert str(caught.value) == (
        f"no folder for this run can be made in {tmp_path}/file/run: Not a directory\n"
        "  choose another place with output_dir=…"
    )


def test_further_processes_of_a_run_share_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(INHERITED, "")
    first = claim(tmp_path, "run")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert claim(tmp_path, "run") == first
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert claim(tmp_path, "run") != first
