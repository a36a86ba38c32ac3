"""Runs that are asked to end, at any moment: they end soon, in good order, and go on where they were."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.cutting import DETECTOR
from helpers.launching import differences, run_folder, start, status
from helpers.watching import FIT_ALONE, PAGES, SMALL, logged, members, said, unruly, wait_for

from ocr_trainer.checkpoint.read import BEST, LAST, find_newest, read
from ocr_trainer.cli import main as cli_main
from ocr_trainer.config.compose import compose
from ocr_trainer.errors import ConfigError
from ocr_trainer.runs.signals import STOP, Stopped

RUN = [*SMALL, *PAGES, "data.num_workers=0"]
SIGTERM, SIGINT = 128 + signal.SIGTERM, 128 + signal.SIGINT
STAGES: dict[str, Callable[[Path], bool]] = {
    "start": lambda place: bool(list(place.glob("runs/*/*/config.yaml"))),
    "fit": lambda place: bool(list(place.glob("runs/*/*/csv"))),
    "first step": lambda place: logged(place) >= 0,
    "save": lambda place: bool(list(place.glob("runs/*/*/checkpoints/.last.ckpt.new"))),
    "validation": lambda place: bool(list(place.glob("runs/*/*/checkpoints/last.ckpt"))),
    "end": lambda place: bool(list(place.glob("runs/*/*/checkpoints/previous.ckpt"))),
}
"""What shows that a run has come so far."""


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """The folder of the run that nothing happens to, and the seconds that one takes."""
    places = [tmp_path_factory.mktemp(name) for name in ("first", "second")]
    assert status(start(RUN, places[0])) == 0
    began = time.monotonic()
    assert status(start(RUN, places[1])) == 0
    return run_folder(places[1]), time.monotonic() - began


def stopped(place: Path, number: int, words: list[str] = RUN, to_all: bool = False, when: str = "") -> bool:
    """Start a run, send it a signal after it has come to a stage, and check how it ends; tell whether it did."""
    run = start(words, place, group=True)
    assert run.pid is not None
    wait_for(lambda: STAGES[when](place) or run.exitcode is not None)
    return ends_in_order(run, place, number, to_all)


def ends_in_order(run: object, place: Path, number: int, to_all: bool = False) -> bool:
    """Send a run a signal and check how it ends; tell whether it was still going."""
    step = logged(place)
    try:
        (os.killpg if to_all else os.kill)(run.pid, number)  # type: ignore[attr-defined]
    except ProcessLookupError:
        return False
    ended = status(run, 60)  # type: ignore[arg-type]
    if ended == 0:
        return False
    assert ended == 128 + number, said(place)
    assert members(run.pid) == []  # type: ignore[attr-defined]
    assert "Traceback" not in said(place)
    kept = find_newest(run_folder(place) / "checkpoints")
    # Steps are told of from 0 on, and counted from 1.
    assert (0 if kept is None else kept.content["global_step"]) >= step + 1 or (kept is None and step == -1)
    return True


def goes_on(place: Path, unbroken: Path) -> None:
    """Check that the run in a folder comes to the end of the unbroken one, bit for bit."""
    folder = run_folder(place)
    assert status(start(["resume", str(folder)], place)) == 0
    for name in (LAST, BEST):
        ends = [read(path / "checkpoints" / name) for path in (folder, unbroken)]
        # How many workers there were makes no difference to what is learned.
        assert set(differences(*ends)) <= {"/ocr_trainer/config/data/num_workers"}


@pytest.mark.parametrize("when", STAGES)
def test_case_20_sigterm_at_each_stage(tmp_path: Path, unbroken: tuple[Path, float], when: str):
    assert stopped(tmp_path, signal.SIGTERM, when=when)
    if when in ("validation", "end"):
        goes_on(tmp_path, unbroken[0])


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_case_20_sigterm_at_50_random_moments(tmp_path: Path, unbroken: tuple[Path, float]):
    chance, caught, tries = random.Random(20), 0, 0
    while caught < 50:
        tries += 1
        assert tries < 150
        place = tmp_path / str(tries)
        run = start(RUN, place, group=True)
        # One that has not yet begun to listen dies of the signal: with the same status, but nothing to look at.
        wait_for(lambda place=place: STAGES["start"](place))
        time.sleep(chance.uniform(0, unbroken[1]))
        ended_early = run.exitcode is not None
        caught += not ended_early and ends_in_order(run, place, signal.SIGTERM)
        if caught and tries % 10 == 0 and not (run_folder(place) / "report.json").is_file():
            goes_on(place, unbroken[0])
        print(f"{caught} of {tries}", flush=True)


@pytest.mark.parametrize("when", ["fit", "validation"])
def test_case_21_sigterm_to_all_processes(tmp_path: Path, unbroken: tuple[Path, float], when: str):
    assert stopped(tmp_path, signal.SIGTERM, [*RUN, "data.num_workers=2"], to_all=True, when=when)
    if when == "validation":
        goes_on(tmp_path, unbroken[0])


def test_case_22_ctrl_c_pressed_three_times(tmp_path: Path):
    run = start([*RUN, "data.num_workers=2"], tmp_path, group=True)
    wait_for(lambda: logged(tmp_path) >= 0)
    assert run.pid is not None
    for _ in range(2):
        os.killpg(run.pid, signal.SIGINT)
        time.sleep(0.08)
    # A run as short as this one may be over before the third.
    assert ends_in_order(run, tmp_path, signal.SIGINT, to_all=True) or status(run, 60) == 130


def test_case_22_ctrl_c_after_five_seconds_ends_a_run_that_hangs(tmp_path: Path):
    words = [*SMALL, *FIT_ALONE, "dataset=unruly", "data.num_workers=1"]
    run = start(words, tmp_path, group=True, UNRULY="hang train 3", **unruly(tmp_path / "plugin"))
    wait_for(
        lambda: (
            STAGES["first step"](tmp_path) or "stopping" in said(tmp_path) or len(members(run.pid or 0)) > 1
        )
    )
    assert run.pid is not None
    time.sleep(2)
    os.killpg(run.pid, signal.SIGINT)
    time.sleep(5.5)
    os.killpg(run.pid, signal.SIGINT)
    assert status(run, 30) == SIGINT
    assert members(run.pid) == []
    assert "Traceback" not in said(tmp_path)


@pytest.mark.parametrize("command", ["test", "check-data"])
def test_case_22_ctrl_c_in_other_commands(tmp_path: Path, unbroken: tuple[Path, float], command: str):
    words = ["check-data", *PAGES[:1], "dataset.train_pages=100000", "data.num_workers=1"]
    if command == "test":
        words = [
            "test",
            str(unbroken[0] / "checkpoints" / BEST),
            "dataset.test_pages=100000",
            "data.num_workers=1",
        ]
    run = start(words, tmp_path, group=True)
    assert run.pid is not None
    wait_for(lambda: len(members(run.pid or 0)) > 1)
    os.killpg(run.pid, signal.SIGINT)
    assert status(run, 30) == SIGINT
    assert members(run.pid) == []
    assert "Traceback" not in said(tmp_path)
    assert "to go on" not in said(tmp_path)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_case_22_a_signal_raised_where_it_is_lost_ends_the_run_all_the_same(tmp_path: Path):
    from ocr_trainer.engine.train import train
    from ocr_trainer.runs import timing
    from ocr_trainer.runs.run_dir import claim

    class Lost:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGTERM)

    run = compose([*DETECTOR, f"output_dir={tmp_path}"])
    with STOP.listening():
        lost = Lost()
        del lost
        with pytest.raises(Stopped):
            train(run, claim(tmp_path, "run"), timing.PhaseTimer())
    assert not list(tmp_path.glob("run/*/checkpoints/*"))


def test_case_24_a_run_in_another_thread_says_that_signals_are_not_handled(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    from ocr_trainer.engine.train import train
    from ocr_trainer.runs import timing
    from ocr_trainer.runs.run_dir import claim

    run, told = compose([*DETECTOR, "data.num_workers=1", f"output_dir={tmp_path}"]), []
    thread = threading.Thread(
        target=lambda: told.append(train(run, claim(tmp_path, "run"), timing.PhaseTimer())), daemon=True
    )
    thread.start()
    thread.join(120)
    assert told[0]["epochs"] == 2
    assert caplog.text.count("signals are not handled") == 1


@pytest.mark.parametrize("error", [AttributeError("no attribute 'fx'"), ConfigError("not a section")])
def test_a_library_that_catches_the_exception_of_a_signal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
):
    def command(name: str) -> Callable[[list[str]], int]:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1)
        except BaseException:
            raise error from None
        raise AssertionError(name)

    monkeypatch.setattr(cli_main, "command", command)
    monkeypatch.setattr(sys, "argv", ["ocr-train", "check"])
    with STOP.listening():
        assert cli_main.main() == 128 + signal.SIGTERM
    assert capsys.readouterr().err == "ocr-train: stopped by SIGTERM\n"
