"""Whole processes: no account, no terminal answer, no server. None may ask, hang, or fail."""

import os
import pty
import select
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fake_server import fake_server
from wandb_file import recorded

CHILD = Path(__file__).with_name("child.py")
KEY = "0123456789" * 4
LIMIT = 150  # seconds for a process that must end by itself
LOSSES = {step: 1 / (step + 1) for step in range(20)}


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run_child(folder: Path, env: dict[str, str], *options: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(CHILD), str(folder), *options],
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )


def said(stderr: str) -> list[str]:
    return [line for line in stderr.splitlines() if "wandb:" in line]


def test_without_account_it_is_offline_and_says_so_in_one_line(env: dict[str, str], tmp_path: Path):
    ended = run_child(tmp_path / "a run", env)
    assert ended.returncode == 0, ended.stderr
    (folder,) = (tmp_path / "a run").glob("wandb/offline-run-*")
    assert said(ended.stderr) == [
        "WARNING wandb: no account on this machine (`wandb login` or WANDB_API_KEY gives it one): offline, "
        f"send it later with: wandb sync '{folder}'"
    ]
    found = recorded(tmp_path / "a run")
    assert found.curve("train/loss") == LOSSES
    assert found.config["model"] == {"lr": 0.01}
    assert found.exit_code == 0


@pytest.mark.slow
def test_lightnings_own_logger_raises_without_account(env: dict[str, str], tmp_path: Path):
    """Why opening the run is ours."""
    code = "from lightning.pytorch.loggers import WandbLogger; WandbLogger(save_dir='.').experiment"
    command = [sys.executable, "-c", code]
    ended = subprocess.run(
        command,
        cwd=tmp_path,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert ended.returncode == 1
    assert "UsageError: No API key configured" in ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize("relogin", [False, True])
def test_at_a_terminal_it_does_not_ask(env: dict[str, str], tmp_path: Path, relogin: bool):
    if relogin:
        env |= {"WANDB_RELOGIN": "true"}  # makes wandb ask even where there is a key
        env |= {"WANDB_API_KEY": KEY, "WANDB_BASE_URL": f"http://127.0.0.1:{closed_port()}"}
    master, slave = pty.openpty()
    mode = "online" if relogin else "auto"
    command = [sys.executable, str(CHILD), str(tmp_path / "run"), f"--mode={mode}", "--init-timeout=1"]
    child = subprocess.Popen(
        command, env=env, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
    )
    os.close(slave)
    screen, deadline = b"", time.monotonic() + LIMIT
    while child.poll() is None and time.monotonic() < deadline:
        if select.select([master], [], [], 0.2)[0]:
            try:
                screen += os.read(master, 65536)
            except OSError:  # Linux's way to say that the other side is closed
                break
    try:
        assert child.wait(timeout=max(1, deadline - time.monotonic())) == 0, screen
    finally:
        child.kill()
        os.close(master)
    assert b"offline, send it later with: wandb sync" in screen
    assert b"Enter your choice" not in screen
    found = recorded(tmp_path / "run")
    assert found.curve("train/loss") == LOSSES
    assert found.curve("val/count") == {10: 1}


@pytest.mark.parametrize("mode", ["", pytest.param("offline", marks=pytest.mark.slow)])
def test_wandb_mode_is_honoured(env: dict[str, str], tmp_path: Path, mode: str):
    ended = run_child(tmp_path, env | {"WANDB_MODE": mode})
    assert ended.returncode == 0, ended.stderr
    (line,) = said(ended.stderr)
    assert line.startswith("INFO wandb: offline, send it" if mode else "WARNING wandb: no account")
    assert recorded(tmp_path).curve("train/loss") == LOSSES


@pytest.mark.slow
def test_the_option_has_precedence_over_wandb_mode(env: dict[str, str], tmp_path: Path):
    ended = run_child(tmp_path, env | {"WANDB_MODE": "offline"}, "--mode=disabled")
    assert ended.returncode == 0, ended.stderr
    assert said(ended.stderr) == []
    assert not list(tmp_path.glob("wandb/*run*"))


def test_a_server_that_is_away_makes_the_run_offline(env: dict[str, str], tmp_path: Path):
    env |= {"WANDB_API_KEY": KEY, "WANDB_BASE_URL": f"http://127.0.0.1:{closed_port()}"}
    ended = run_child(tmp_path, env, "--init-timeout=1")
    assert ended.returncode == 0, ended.stderr
    (line,) = said(ended.stderr)
    assert line.startswith("WARNING wandb: not online (CommError: ")
    assert "offline, send it later with: wandb sync" in line
    assert recorded(tmp_path).curve("train/loss") == LOSSES


def test_a_wrong_setting_stops_wandb_not_the_training(env: dict[str, str], tmp_path: Path):
    ended = run_child(tmp_path, env | {"WANDB_API_KEY": f" {KEY}", "WANDB_BASE_URL": "no address"})
    assert ended.returncode == 0, ended.stderr
    assert "trained" in ended.stdout
    (line,) = said(ended.stderr)
    assert line.startswith("WARNING wandb: stopped, the training is not affected (")
    assert "Traceback" not in ended.stderr
    assert KEY[:10] not in ended.stderr


def test_with_a_server_the_run_is_online(env: dict[str, str], tmp_path: Path):
    with fake_server() as server:
        ended = run_child(tmp_path, env | {"WANDB_API_KEY": KEY, "WANDB_BASE_URL": server.url})
        assert ended.returncode == 0, ended.stderr
        assert server.connected.is_set()
    (line,) = said(ended.stderr)
    assert line.startswith(f"INFO wandb: {server.url}/")
    sent = {row["trainer/global_step"]: row["train/loss"] for row in server.history if "train/loss" in row}
    assert sent == LOSSES
    texts = [p for p in tmp_path.rglob("*") if p.is_file() and KEY.encode() in p.read_bytes()]
    assert texts == []  # the key is nowhere on disk


def test_a_server_that_dies_does_not_stop_the_run(env: dict[str, str], tmp_path: Path):
    command = [sys.executable, str(CHILD), str(tmp_path), "--wait", "--finish-timeout=2"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with fake_server() as server:
        env |= {"WANDB_API_KEY": KEY, "WANDB_BASE_URL": server.url}
        child = subprocess.Popen(command, env=env, text=True, **pipes)
        try:
            assert server.connected.wait(LIMIT)
        except BaseException:
            child.kill()
            raise
    try:
        stdout, stderr = child.communicate("go on\n", timeout=LIMIT)
    finally:
        child.kill()
    assert child.returncode == 0, stderr
    assert stdout.split() == ["ready", "trained"]
    lines = said(stderr)
    assert lines[0].startswith(f"INFO wandb: {server.url}/")
    assert len(lines) == 2
    assert "stopped, the training is not affected (TimeoutError" in lines[1]
    assert "send what was kept with: wandb sync" in lines[1]
