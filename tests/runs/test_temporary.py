"""A run where nothing can be written but its own folder, not even a temporary file."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from ocr_trainer.config.compose import compose
from ocr_trainer.config.validate import LONGEST_TMPDIR
from ocr_trainer.errors import ConfigError

CLAIM = """
import sys, tempfile
from pathlib import Path
from ocr_trainer.runs.run_dir import claim
try:
    sys.exit(f'files can be written to {tempfile.gettempdir()}')
except FileNotFoundError:
    folder = claim(Path(sys.argv[1]), 'run')
assert tempfile.gettempdir() == str(folder)
"""
RUN = "from ocr_trainer.cli.main import main; raise SystemExit(main())"
TINY = [
    *("model=crnn", "model.size=tiny", "dataset=synthetic", "dataset.text.charsets=[digits]", "logger=[csv]"),
    *("dataset.text.train_texts=16", "dataset.text.val_texts=8", "dataset.text.test_texts=8"),
    *("data.batch_size=8", "trainer.max_epochs=1", "trainer.accelerator=cpu"),
]


def in_a_box(out: Path, code: str, *words: str) -> str:
    """Run code where `out` is a small disk and neither /tmp nor the working folder can be written."""
    if os.geteuid() or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        pytest.skip("needs to mount file systems")
    out.mkdir()
    script = f"""
        for place in /tmp /var/tmp /usr/tmp; do
            if [ -d $place ]; then mount --bind $place $place; mount -o remount,ro,bind $place; fi
        done
        mount -t tmpfs -o size=64m none '{out}'
        cd /proc
        exec "$@"
    """
    cleared = {"HOME", "TMPDIR", "TEMP", "TMP"}
    done = subprocess.run(
        ["unshare", "-m", "sh", "-ec", script, "sh", sys.executable, "-c", code, *words],
        env={key: value for key, value in os.environ.items() if key not in cleared},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def short_path() -> Iterator[Path]:
    """Give a folder in whose path the sockets of loader workers find room."""
    with TemporaryDirectory(dir="/tmp") as name:
        yield Path(name)


def test_case_47_the_folder_of_a_run_takes_temporary_files_where_no_other_can(short_path: Path):
    in_a_box(short_path / "out", CLAIM, str(short_path / "out"))


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_case_47_a_run_needs_to_write_nowhere_but_in_its_folder(workers: int, short_path: Path):
    words = [*TINY, f"data.num_workers={workers}", f"output_dir='{short_path}/out'"]
    assert f"{short_path}/out/default/" in in_a_box(short_path / "out", RUN, *words)


def test_case_47_a_folder_for_temporary_files_that_workers_cannot_use_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    long = tmp_path / ("x" * 80)
    monkeypatch.setenv("TMPDIR", str(long))
    compose(["data.num_workers=2"])  # it is not there: Python takes another
    long.mkdir()
    compose(["data.num_workers=0"])
    with pytest.raises(ConfigError) as caught:
        compose(["data.num_workers=2"])
    assert str(caught.value) == (
        "this run cannot start:\n"
        f"  - TMPDIR={long} is too long for the sockets of data workers: "
        "set it to a path of at most 75 bytes, or data.num_workers=0"
    )


def test_case_47_the_longest_path_leaves_room_for_a_socket():
    with TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name, "x" * (LONGEST_TMPDIR - len(name) - 1))
        folder.mkdir()
        bound = subprocess.run(
            [
                sys.executable,
                "-c",
                "from multiprocessing.connection import Listener; Listener(None, 'AF_UNIX')",
            ],
            env={**os.environ, "TMPDIR": str(folder)},
            capture_output=True,
            timeout=60,
        )
        assert (len(str(folder)), bound.returncode, bound.stderr) == (LONGEST_TMPDIR, 0, b"")
