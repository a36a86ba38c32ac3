"""Run folders: each its own, locked while a run goes on, and refused in one line where none can be."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ocr_trainer.config.compose import compose
from ocr_trainer.errors import ConfigError
from ocr_trainer.runs import run_dir as folders
from ocr_trainer.runs.run_dir import CONFIG, INHERITED, LOCK, claim, hold, release, runs

START = "import sys, time; from pathlib import Path; from ocr_trainer.runs.run_dir import claim, hold\n"
CLAIM = START + "time.sleep(max(0, {at} - time.time())); print(claim(Path(sys.argv[1]), 'run'))"
HOLD = START + "hold(Path(sys.argv[1])); print('held')"
WAIT = START + "print(claim(Path(sys.argv[1]), 'run'), flush=True); sys.stdin.read()"
WITH_WORKERS = """
import multiprocessing, sys, time
from pathlib import Path
from ocr_trainer.runs.run_dir import claim
folder = claim(Path(sys.argv[1]), 'run')
fork = multiprocessing.get_context('fork')
short, long = (fork.Process(target=time.sleep, args=(seconds,), daemon=True) for seconds in (0, 60))
short.start(); long.start(); short.join()
print(folder, long.pid, flush=True)
sys.stdin.read()
"""
REFUSED = """
import contextlib, io, json, sys
from ocr_trainer.cli.main import main
told = []
for place in json.load(sys.stdin):
    sys.argv = ['ocr-train', f"output_dir='{place}'", 'logger=[]']
    with contextlib.redirect_stderr(io.StringIO()) as said:
        status = main()
    told.append((status, said.getvalue()))
assert not {'torch', 'numpy', 'cv2'} & set(sys.modules)
json.dump(told, sys.stdout)
"""


def python(code: str, *words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@contextmanager
def another(code: str, output_dir: Path) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Start a process that claims a folder and stays; yield it and the words it prints."""
    command = [sys.executable, "-c", code, str(output_dir)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().split()
        process.kill()


def still_going(folder: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        hold(folder)
    return str(caught.value)


def test_case_46_runs_that_start_in_the_same_instant_have_folders_of_their_own(tmp_path: Path):
    command = [sys.executable, "-c", CLAIM.format(at=time.time() + 1.5), str(tmp_path)]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(20)]
    claimed = [process.communicate(timeout=60)[0].strip() for process in started]
    assert len(set(claimed)) == 20
    assert set(runs(tmp_path, "run")) == {Path(name) for name in claimed}


def test_case_46_a_run_that_goes_on_keeps_others_out_of_its_folder_until_it_dies(tmp_path: Path):
    with another(WAIT, tmp_path) as (process, (name,)):
        said = f"the run in {name} is still running (process {process.pid} on {os.uname().nodename})"
        assert still_going(Path(name)) == said
        process.kill()
        process.wait(timeout=10)
        hold(Path(name))


def test_case_46_loader_workers_neither_keep_the_lock_nor_lose_it(tmp_path: Path):
    with another(WITH_WORKERS, tmp_path) as (process, (name, worker)):
        assert f"process {process.pid} on" in still_going(Path(name))  # though a worker has ended
        process.kill()
        process.wait(timeout=10)
        os.kill(int(worker), 0)  # it is still there
        hold(Path(name))
        os.kill(int(worker), signal.SIGKILL)


def test_case_46_a_process_may_hold_its_folder_again_and_releases_it_alone(tmp_path: Path):
    first = claim(tmp_path, "run")
    hold(first)
    hold(first)
    assert "is still running" in python(HOLD, first).stderr
    second = claim(tmp_path, "run")
    assert "is still running" in python(HOLD, first).stderr
    release(first)
    assert python(HOLD, first).stdout == "held\n"
    assert "is still running" in python(HOLD, second).stderr


@pytest.mark.parametrize("rank", ["LOCAL_RANK", "RANK"])
def test_case_46_only_the_first_process_of_a_run_locks(
    rank: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with another(WAIT, tmp_path) as (_, (name,)):
        monkeypatch.setenv(rank, "1")
        monkeypatch.setenv(INHERITED, name)
        hold(Path(name))
        assert claim(tmp_path, "run") == Path(name)


def test_case_46_no_lock_where_the_system_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    import fcntl

    def refuse(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", refuse)
    folder = claim(tmp_path, "run")
    assert capsys.readouterr().err == f"ocr-train: {folder} cannot be locked: No locks available\n"
    monkeypatch.setitem(sys.modules, "fcntl", None)
    assert not (claim(tmp_path, "run") / LOCK).exists()


def test_case_50_names_are_unique_whatever_the_clock_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    summer, winter, epoch, far, leap = 1792888200, 1792891800, 0, 4102444800, 4107542400
    moments = [summer, winter, far, epoch, far, leap, 2**31, summer, *[winter] * 10]
    with monkeypatch.context() as patch:
        strftime = time.strftime
        for moment in moments:
            patch.setattr(time, "strftime", lambda form, at=moment: strftime(form, time.localtime(at)))
            claim(tmp_path, "run", f"{moment}\n")
    monkeypatch.undo()
    time.tzset()
    order = [int((run / CONFIG).read_text(encoding="utf-8")) for run in runs(tmp_path, "run")]
    assert order == moments[::-1]
    names = sorted(run.name for run in runs(tmp_path, "run"))
    assert {"2026-10-25_02-30-00", "2026-10-25_02-30-00-13", "2100-01-01_01-00-00-2"} <= set(names)


def test_case_50_the_newest_run_is_the_last_one_even_after_the_clock_was_put_back(tmp_path: Path):
    first = claim(tmp_path, "run")
    os.utime(first / CONFIG, (4102444800, 4102444800))
    later = [claim(tmp_path, "run") for _ in range(3)]
    assert runs(tmp_path, "run") == [*later[::-1], first]
    assert runs(tmp_path, "no such") == []


@pytest.mark.parametrize(
    "name", ["a b/ünï", "[ab]*?{x}%s$HOME", "CON", "-x", "😀👩‍🔬", "שלום", "a/./b", "ö" * 100]
)
def test_case_47_a_strange_name_makes_a_folder(name: str, tmp_path: Path):
    output_dir = tmp_path / "a b" / "ünï" / ("x" * 200)
    run = compose([f"exp_name='{name}'", f"output_dir='{output_dir}'"])
    folder = claim(run.output_dir, run.exp_name, "seed: 0\n")
    assert (folder / CONFIG).read_text(encoding="utf-8") == "seed: 0\n"
    assert runs(output_dir, run.exp_name) == [folder]


@pytest.mark.parametrize(
    "name", ["..", "a/..", "/a", "~", ".", " ", "a\\\\b", "a\tb", "a\x7f", "\udce4", "a/" + "ü" * 128]
)
def test_case_47_a_name_that_no_folder_should_have_is_refused_with_its_key(name: str):
    with pytest.raises(ConfigError, match="exp_name") as caught:
        compose([f"exp_name='{name}'"])
    assert len(str(caught.value).splitlines()) <= 3


def refused(places: list[str], *before: str) -> list[str]:
    """Return what runs into these places are told, each with exit status 2, before torch is imported."""
    command = [*before, sys.executable, "-c", REFUSED]
    done = subprocess.run(
        command, input=json.dumps(places), capture_output=True, text=True, timeout=120, check=True
    )
    told = json.loads(done.stdout)
    assert [status for status, _ in told] == [2] * len(places)
    return [said for _, said in told]


def test_case_47_a_place_where_no_folder_can_be_is_refused_before_torch(tmp_path: Path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing" / "x")
    (tmp_path / "loop").symlink_to("loop")
    reasons = {
        f"{tmp_path}/file": "Not a directory",
        f"{tmp_path}/loop": "Too many levels of symbolic links",
        f"{tmp_path}/nowhere": "File exists",
        f"{tmp_path}/{'ü' * 128}": "File name too long",
        str(tmp_path) + "/a" * 2100: "File name too long",
    }
    for (place, reason), said in zip(reasons.items(), refused([*reasons]), strict=True):
        assert said == (
            f"ocr-train: cannot create a run directory in {place}/default: {reason}\n"
            "  choose another folder with output_dir=…\n"
        )


def test_case_47_what_cannot_be_written_is_refused_before_torch(tmp_path: Path):
    if os.geteuid() or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        pytest.skip("needs to mount file systems")
    mounts = {
        "read_only": ("ro", "Read-only file system"),
        "no_inode": ("nr_inodes=1", "No space left on device"),
        "no_block": ("size=4k", "No space left on device"),
    }
    for name in mounts:
        (tmp_path / name).mkdir()
    script = "".join(
        f"mount -t tmpfs -o {how} none '{tmp_path}/{name}'\n" for name, (how, _) in mounts.items()
    )
    said = refused(
        [str(tmp_path / name) for name in mounts], "unshare", "-m", "sh", "-ec", f'{script}exec "$@"', "sh"
    )
    for (name, (_, reason)), message in zip(mounts.items(), said, strict=True):
        assert message.startswith(
            f"ocr-train: cannot create a run directory in {tmp_path}/{name}/default: {reason}\n"
        )


def test_case_47_a_folder_that_could_not_be_written_is_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(
        folders, "_written", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    with pytest.raises(ConfigError, match="No space left on device"):
        claim(tmp_path, "run", "seed: 0\n")
    monkeypatch.undo()
    assert runs(tmp_path, "run") == []
