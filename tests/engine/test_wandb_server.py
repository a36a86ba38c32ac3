"""wandb without an account, without a server, after a kill, and with a secret on the command line."""

from __future__ import annotations

import logging
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from helpers.servers import server

from ocr_trainer.engine.build import build
from ocr_trainer.engine.loggers import SafeLogger, failures
from ocr_trainer.errors import ConfigError
from ocr_trainer.plugin import Context, Kind, Task, discovery

wandb = pytest.importorskip("wandb")
PLUGIN_TESTS = Path(__file__).parents[2] / "plugins" / "ocr-trainer-wandb" / "tests"
sys.path.append(str(PLUGIN_TESTS))
from fake_server import fake_server  # noqa: E402
from wandb_file import read, recorded  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
LOSSES = {step: 1 / (step + 1) for step in range(20)}
NO_ACCOUNT = (
    "logger.wandb.mode=online needs an account, and wandb finds none on this machine\n"
    "  give it one: `wandb login` once, or set WANDB_API_KEY\n"
    "  or keep the run here and send it later: logger.wandb.mode=offline\n"
    "  or do without wandb: logger=csv"
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine that wandb has never met."""
    wandb.teardown()  # it reads the environment once
    for name in [name for name in os.environ if name.startswith("WANDB_") or name == "NETRC"]:
        monkeypatch.delenv(name)
    for name in ("HOME", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    yield tmp_path
    wandb.teardown()


def logger(folder: Path, resume_step: int | None = None, **options: object) -> SafeLogger:
    config = discovery.load(Kind.logger, "wandb").config(name="wandb", **options)
    context = Context(task=Task.detection, folder=folder, resume_step=resume_step)
    return SafeLogger(discovery.find(Kind.logger, "wandb"), partial(build, Kind.logger, config, context))


def record(logger: SafeLogger, steps: range = range(20)) -> None:
    for step in steps:
        logger.log_metrics({"train/loss": LOSSES[step]}, step=step)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [f"{r.levelname} {r.message}" for r in caplog.records if r.name == "ocr_trainer"]


def test_case_42_without_a_key_online_is_refused_with_three_ways_out(tmp_path: Path):
    with pytest.raises(ConfigError) as refusal:
        logger(tmp_path, mode=_mode("online"))
    assert str(refusal.value) == NO_ACCOUNT


def test_case_42_a_terminal_is_not_asked(tmp_path: Path):
    words = [
        "model=dbnet",
        "model.neck_channels=8",
        "model.backbone.width=8",
        "model.size=64",
        "augment.crop=64",
        "dataset.train_pages=1",
    ]
    words += ["dataset.height=64", "dataset.width=64", "logger=wandb", "logger.wandb.mode=online"]
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "ocr_trainer", *words]
    ends = {"stdin": slave, "stdout": slave, "stderr": slave}
    child = subprocess.Popen(command, cwd=tmp_path, start_new_session=True, **ends)
    os.close(slave)
    try:
        screen = _until_closed(master, limit=120)
        assert child.wait(timeout=30) == 2, screen
    finally:
        child.kill()
        child.wait()
        os.close(master)
    assert NO_ACCOUNT in screen.replace("\r\n", "\n")
    assert "Enter your choice" not in screen


def _until_closed(master: int, limit: float) -> str:
    screen, deadline = b"", time.monotonic() + limit
    while time.monotonic() < deadline:
        if select.select([master], [], [], 0.2)[0]:
            try:
                screen += os.read(master, 65536)
            except OSError:  # Linux's way to say that the other side is closed
                break
    return screen.decode()


@pytest.mark.timeout(90)
@pytest.mark.parametrize("kind", ["refuses", "black hole", "500"])
def test_case_43_a_server_that_is_away_at_the_start(kind: str, tmp_path: Path, monkeypatch, caplog):
    monkeypatch.setenv("WANDB_API_KEY", "0123456789" * 4)
    with server(kind) as url:
        monkeypatch.setenv("WANDB_BASE_URL", url)
        away = logger(tmp_path, init_timeout=3.0)
        record(away)
        assert away.version is None  # all steps are done before wandb has decided
        away.finalize("success")
        away.close()
        assert recorded(tmp_path).curve("train/loss") == LOSSES
        wandb.teardown()
    (line,) = said(caplog)
    assert line.startswith("WARNING wandb: not online (CommError: Timed out ")
    assert "offline, send it later with: wandb sync " in line
    assert failures([away]) == {}  # nothing is lost


@pytest.mark.slow
def test_case_43_with_its_own_timeouts_it_decides_within_thirty_seconds(tmp_path: Path, monkeypatch):
    key = {"WANDB_API_KEY": "0123456789" * 4}
    command = [sys.executable, str(PLUGIN_TESTS / "child.py"), str(tmp_path), "--init-timeout=20"]
    assert discovery.load(Kind.logger, "wandb").config().init_timeout == 20
    with server("black hole") as url:
        environment = {**os.environ, **key, "WANDB_BASE_URL": url}
        child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"  # wandb has been asked for
            # From there to the end of the process: the decision, the offline run, wandb's own end.
            began = time.monotonic()
            child.communicate(timeout=30)
        finally:
            child.kill()
        print(f"decided and ended {time.monotonic() - began:.1f} s after the first step")
    assert child.returncode == 0
    assert recorded(tmp_path).curve("train/loss") == LOSSES


@pytest.mark.timeout(90)
def test_case_43_a_server_that_dies_mid_run(tmp_path: Path, monkeypatch, caplog):
    monkeypatch.setenv("WANDB_API_KEY", "0123456789" * 4)
    caplog.set_level(logging.INFO, "ocr_trainer")
    with fake_server() as alive:
        monkeypatch.setenv("WANDB_BASE_URL", alive.url)
        widow = logger(tmp_path, finish_timeout=2.0)
        record(widow, range(10))
        assert alive.connected.wait(60)
    record(widow, range(10, 20))
    widow.finalize("success")
    widow.close()
    online, stopped = said(caplog)
    assert online.startswith(f"INFO wandb: {alive.url}/")
    assert stopped.startswith("WARNING wandb: stopped, the training is not affected (TimeoutError")
    assert "send what was kept with: wandb sync " in failures([widow])["wandb"]
    wandb.teardown()  # as the end of the process does
    (file,) = tmp_path.glob("wandb/run-*/run-*.wandb")
    assert _within(10, lambda: read(file.read_bytes()).curve("train/loss") == LOSSES)


def test_case_62_what_nobody_asked_for_is_not_recorded(tmp_path: Path, monkeypatch, capfd):
    monkeypatch.setattr(sys, "argv", ["ocr-train", "key=CANARY-argv"])
    monkeypatch.setenv("MY_KEY", "CANARY-env")
    run = logger(tmp_path / "run", mode=_mode("offline"))
    run.log_hyperparams({"asked": "ASKED-for"})
    record(run)
    run.finalize("success")
    print("CANARY-print")
    run.close()
    recorded(tmp_path / "run")
    files = [path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert any(b"ASKED-for" in file for file in files)
    assert [file for file in files if b"CANARY" in file] == []


def test_a_resumed_run_goes_on_under_the_same_id(tmp_path: Path):
    first = logger(tmp_path, mode=_mode("offline"))
    record(first, range(12))
    first.finalize("failed")
    first.close()
    time.sleep(1.1)  # wandb names its folders by the second
    second = logger(tmp_path, resume_step=10, mode=_mode("offline"))
    record(second, range(10, 20))
    second.finalize("success")
    second.close()
    fresh = logger(tmp_path / "fresh", resume_step=10, mode=_mode("offline"))
    record(fresh, range(1))
    fresh.close()
    files = sorted(tmp_path.glob("wandb/offline-run-*/*.wandb"))
    parts = [read(file.read_bytes()) for file in files]
    assert first.version == second.version != fresh.version
    assert [part.run.run_id for part in parts] == [first.version] * 2
    assert [min(part.curve("train/loss")) for part in parts] == [0, 10]
    assert parts[0].curve("train/loss") | parts[1].curve("train/loss") == LOSSES


def test_case_29_wandb_is_gone_soon_after_a_kill(tmp_path: Path):
    command = [sys.executable, str(PLUGIN_TESTS / "child.py"), str(tmp_path), "--mode=offline", "--wait"]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        assert _within(30, lambda: any(tmp_path.glob("wandb/offline-run-*/run-*.wandb")))
        time.sleep(3)  # wandb puts what it has on disk each second
        services = _wandb_of(child.pid)
    finally:
        child.send_signal(signal.SIGKILL)
        child.communicate(timeout=30)
    assert _within(10, lambda: not any(_runs(pid) for pid in services))
    assert services
    (file,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    assert read(file.read_bytes()).curve("train/loss") == {step: LOSSES[step] for step in range(11)}


def _wandb_of(parent: int) -> list[int]:
    children = Path(f"/proc/{parent}/task").glob("*/children")
    pids = [int(pid) for file in children for pid in file.read_text().split()]
    return [pid for pid in pids if b"wandb-core" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def _runs(pid: int) -> bool:
    try:
        return b"wandb-core" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _within(seconds: float, holds) -> bool:
    deadline = time.monotonic() + seconds
    while not (done := holds()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return done


def _mode(name: str):
    from ocr_trainer_wandb.plugin import Mode

    return Mode[name]
