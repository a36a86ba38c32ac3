"""A call leaves the process as it was: before torch is imported, after it, in threads, and when it fails."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from helpers.checkpoints import RECOGNIZER, write_checkpoint
from hydra import initialize
from hydra.core.global_hydra import GlobalHydra

import ocr_trainer as ocr
from ocr_trainer.api import runs
from ocr_trainer.data.workers import report_worker_errors

HERE = Path(__file__).parent
STOPPED = """
import signal, sys
import ocr_trainer as ocr
sys.path.insert(0, {here!r})
from guest_calls import TINY
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it in the background
{setup}
try:
    ocr.train(*TINY, trainer={{"max_epochs": 10_000, "limit_val_batches": 0}}, schedule={{"name": "constant"}})
except BaseException as error:
    print(type(error).__name__, error.__context__, getattr(error.__context__, "__notes__", ""), flush=True)
    assert signal.getsignal(signal.SIGINT) is {handler}
"""


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parent), **more}


@pytest.mark.slow
def test_the_process_is_the_same_after_each_call(tmp_path: Path):
    recognizer = write_checkpoint(tmp_path / "rec.ckpt", RECOGNIZER)
    done = subprocess.run(
        [sys.executable, HERE / "guest_calls.py", recognizer],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]


def stopped_by(number: int, tmp_path: Path, setup: str = "", handler: str = "signal.default_int_handler"):
    code = STOPPED.format(here=str(HERE), setup=setup, handler=handler)
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True
    )
    end = time.monotonic() + 200
    while not list(tmp_path.glob("runs/*/*/checkpoints/last.ckpt")) and time.monotonic() < end:
        time.sleep(0.1)
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    return process.returncode, said


def test_ctrl_c_saves_and_raises_keyboard_interrupt(tmp_path: Path):
    status, said = stopped_by(signal.SIGINT, tmp_path)
    assert status == 0
    assert said.splitlines()[-1].startswith("KeyboardInterrupt SIGINT ['to resume: ocr-train resume ")


def test_sigterm_saves_and_ends_the_process_as_without_us(tmp_path: Path):
    assert stopped_by(signal.SIGTERM, tmp_path)[0] == -signal.SIGTERM


def test_the_handler_of_the_program_hears_the_signal(tmp_path: Path):
    setup = "heard = lambda number, frame: print('heard', number, flush=True)\nsignal.signal(2, heard)"
    status, said = stopped_by(signal.SIGINT, tmp_path, setup, "heard")
    assert status == 0
    assert said.splitlines()[-2] == "heard 2"
    assert said.splitlines()[-1].startswith("Stopped ")


def test_a_second_run_of_the_process_is_refused():
    with runs._one_at_a_time(), ThreadPoolExecutor() as pool:
        with pytest.raises(ocr.ConfigError, match=r"^another run is training in this process"):
            pool.submit(ocr.train, "model=dbnet").result()
        assert pool.submit(ocr.check, "model=dbnet").result().model.name == "dbnet"


def test_threads_compose_at_the_same_time():
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda seed: ocr.check("model=dbnet", seed=seed).seed, range(12)))
    assert found == list(range(12))


def test_a_program_of_hydra_keeps_its_own():
    with initialize(config_path=None, version_base="1.2"):
        before = GlobalHydra.instance()
        assert ocr.check("model=dbnet").model.name == "dbnet"
        assert GlobalHydra.instance() is before
        assert before.is_initialized()


def test_processes_of_the_program_live_on():
    process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,), daemon=True)
    process.start()
    try:
        with report_worker_errors([]):
            pass
        assert process.is_alive()
    finally:
        process.kill()
        process.join()


def test_a_secret_is_not_in_a_message(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OCR_TRAIN_ALLOW_ENV", "PASSWORD_OF_MINE")
    monkeypatch.setenv("PASSWORD_OF_MINE", "correct-horse")
    with pytest.raises(ocr.ConfigError) as caught:
        ocr.check("model=dbnet", trainer={"max_epochs": "${oc.env:PASSWORD_OF_MINE}"})
    assert "correct-horse" not in str(caught.value)
