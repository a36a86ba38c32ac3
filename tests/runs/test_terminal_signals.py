"""A lost terminal ends a run as SIGTERM does; signals in every stage end it once and in good order."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers.cutting import DETECTOR, ocr_train
from helpers.launching import run_folder
from lightning.pytorch import Callback, Trainer

from ocr_trainer.checkpoint.read import LAST, read
from ocr_trainer.runs.signals import STOP, Stop, Stopped

SHORT = [word for word in DETECTOR if word not in ("trainer.limit_test_batches=0", "calibrate.enabled=false")]
SHORT += ["trainer.max_epochs=1", "dataset.test_pages=2"]
CHILD = """\
import signal, sys
from ocr_trainer.runs.signals import STOP
{before}
with STOP.listening(keep_if_asked=True):
    STOP.patient = True
    print("ready", flush=True)
    sys.stdin.readline()
    print(STOP.asked, flush=True)
"""


@pytest.fixture(autouse=True)
def default_hangup() -> Iterator[None]:
    """Give SIGHUP its default, also where the tests run under nohup, which a run respects."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


class Twice(Callback):
    """Raises a signal twice in a row at the first call of a hook."""

    def __init__(self, hook: str, number: int) -> None:
        self.number, self.done = number, False
        setattr(self, hook, self._raise)

    def _raise(self, trainer: Trainer, *_: object, **__: object) -> None:
        if not (self.done or trainer.sanity_checking):
            self.done = True
            try:
                signal.raise_signal(self.number)
            finally:
                signal.raise_signal(self.number)


@pytest.mark.parametrize(
    ("hook", "number"),
    [
        ("on_train_batch_end", signal.SIGHUP),
        ("on_validation_batch_start", signal.SIGINT),
        ("on_test_batch_end", signal.SIGTERM),
    ],
)
def test_a_signal_twice_in_a_row_ends_the_run_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], hook: str, number: int
):
    assert ocr_train(tmp_path, SHORT, Twice(hook, number)) == 128 + number
    said = capsys.readouterr().err
    assert said.count(f"stopped by {signal.Signals(number).name}; to resume: ocr-train resume") == 1
    assert "Traceback" not in said
    folder = run_folder(tmp_path)
    assert read(folder / "checkpoints" / LAST)["global_step"] >= 1
    assert not (folder / "report.json").exists()
    assert ocr_train(tmp_path, ["resume", str(folder)]) == 0
    assert (folder / "report.json").is_file()


@pytest.mark.parametrize("stage", ["calibrate", "_report"])
def test_a_signal_twice_in_calibration_and_in_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stage: str
):
    from ocr_trainer.engine import train

    real: Callable[..., object] = getattr(train, stage)

    def interrupted(*args: object) -> object:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGTERM)
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(train, stage, interrupted)
        assert ocr_train(tmp_path, SHORT) == 128 + signal.SIGTERM
    assert "Traceback" not in capsys.readouterr().err
    folder = run_folder(tmp_path)
    assert ocr_train(tmp_path, ["resume", str(folder)]) == 0
    assert (folder / "report.json").is_file()


def child(before: str = "") -> subprocess.Popen[str]:
    """Start a process that waits for a line, with SIGHUP as it is by default, and listens for signals."""
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD.format(before=before)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize(
    ("before", "asked"), [("", "1"), ("signal.signal(signal.SIGHUP, signal.SIG_IGN)", "None")]
)
def test_nohup_is_respected(before: str, asked: str):
    process = child(before)
    process.send_signal(signal.SIGHUP)
    out, _ = process.communicate("\n", timeout=20)
    assert out == f"{asked}\n"


def test_a_second_sigquit_ends_a_process_that_hangs():
    with child("import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0))") as process:
        process.send_signal(signal.SIGQUIT)
        assert process.stderr is not None
        assert process.stderr.readline() == "\n"
        assert "stopping once this step is done" in process.stderr.readline()
        process.send_signal(signal.SIGQUIT)
        assert process.wait(20) == -signal.SIGQUIT


@pytest.mark.timeout(120)
def test_a_terminal_that_is_lost_leaves_a_saved_run(tmp_path: Path):
    main, terminal = pty.openpty()
    words = [*(word for word in SHORT if "max_epochs" not in word), "trainer.max_epochs=200"]
    run = subprocess.Popen(
        [sys.executable, "-m", "ocr_trainer", *words, "trainer.enable_progress_bar=true"],
        cwd=tmp_path, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: (signal.signal(signal.SIGHUP, signal.SIG_DFL), os.close(os.open(os.ttyname(1), os.O_RDWR))),
    )  # fmt: skip
    os.close(terminal)
    while "step 2" not in os.read(main, 10000).decode(errors="replace"):
        assert run.poll() is None
    os.close(main)  # the kernel sends SIGHUP, and every write fails from now on
    assert run.wait(60) == 128 + signal.SIGHUP
    assert read(run_folder(tmp_path) / "checkpoints" / LAST)["global_step"] >= 2


def test_a_signal_after_the_end_does_not_raise_where_nobody_catches_it():
    stop = Stop()
    with pytest.raises(Stopped), stop.listening(keep_if_asked=True):
        signal.raise_signal(signal.SIGTERM)
    assert stop.asked == signal.SIGTERM
    signal.raise_signal(signal.SIGTERM)
    pid = os.fork()
    if not pid:
        stop._since -= 60
        signal.raise_signal(signal.SIGINT)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 128 + signal.SIGTERM
    assert STOP.asked is None
