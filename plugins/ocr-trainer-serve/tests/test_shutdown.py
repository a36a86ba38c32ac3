"""The end of the service, and starts that fail."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from helpers.ink_models import encoded, page
from ocr_trainer_serve.command import parse
from ocr_trainer_serve.server import run
from ocr_trainer_serve.settings import Settings

from ocr_trainer.testing import CommandSuite
from ocr_trainer_runtime import ConfigError

GOOD = encoded(page("abc"))
BUSY = encoded(page("a", busy=True))


class TestServe(CommandSuite):
    name = "serve"


def alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "\nState:\tZ" not in status.read_text(encoding="utf-8")


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_signal_ends_it_with_0_after_what_runs_is_answered(serve, number: int):
    service = serve("--timeout", 2)
    workers = service.worker_pids
    service.read(GOOD)  # leaves a connection open
    with ThreadPoolExecutor(1) as waiting:
        slow = waiting.submit(service.read, BUSY)
        service.wait_until_busy()
        service.process.send_signal(number)
        time.sleep(0.5)
        with pytest.raises(httpx.TransportError), httpx.Client(trust_env=False) as other:
            other.get(f"{service.url}/healthz")  # no more connections
        assert slow.result().status_code == 504  # within its own time
    assert service.process.wait(timeout=10) == 0
    time.sleep(0.2)
    assert not any(alive(pid) for pid in workers)
    assert service.said == [f"serving on {service.url}\n"]


def test_the_command_of_the_trainer_is_the_same(serve):
    service = serve(command=("-m", "ocr_trainer", "serve"))
    assert service.read(GOOD).json()["pages"][0]["detections"][0]["text"] == "abc"
    assert service.stop(signal.SIGTERM) == 0
    assert service.said == [f"serving on {service.url}\n"]


def test_workers_end_with_a_service_that_is_killed(serve):
    service = serve()
    (worker,) = service.worker_pids
    assert service.stop(signal.SIGKILL) == -signal.SIGKILL
    for _ in range(50):
        if not alive(worker):
            break
        time.sleep(0.1)
    assert not alive(worker)


def ocr_serve(*words: object) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-c",
        "import sys; from ocr_trainer_serve.command import main; sys.exit(main())",
    ]
    return subprocess.run(
        [*command, *map(str, words)], capture_output=True, text=True, timeout=60, check=False
    )


def test_a_missing_model_is_one_message(tmp_path: Path):
    done = ocr_serve(tmp_path / "missing")
    assert done.returncode == 2
    expected = f"ocr-serve: there is no exported model at '{tmp_path / 'missing'}': "
    assert done.stderr == f"{expected}`ocr-train export MODEL --format onnx --out FOLDER` writes one\n"


def test_an_address_in_use_is_one_message(service):
    port = httpx.URL(service.url).port
    with pytest.raises(
        ConfigError, match=f"^cannot listen on 127.0.0.1, port {port}: Address already in use$"
    ):
        run(Settings(models=("det",), port=port))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["det", "--timeout", "never"], "must be above 0 and at most 3600, not 'never'"),
        (["det", "--timeout", "nan"], "must be above 0 and at most 3600, not 'nan'"),
        (["det", "--max-bytes", "-1"], "must be a whole number from 1 to 1073741824, not '-1'"),
        (["det", "--port", "70000"], "must be a whole number from 0 to 65535, not '70000'"),
        (["det", "rec", "more"], "give a detector and a recognizer, not 3 models"),
        ([], "the following arguments are required: MODEL"),
    ],
)
def test_wrong_arguments_are_named(words: list[str], message: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit, match="2"):
        parse(words, "ocr-serve")
    assert message in capsys.readouterr().err


def test_its_modules_need_neither_torch_nor_the_trainer(models: tuple[Path, Path]):
    code = (
        "import sys; sys.modules |= dict.fromkeys(['torch', 'lightning', 'hydra', 'stevedore', 'ocr_trainer'])\n"
        "import ocr_trainer_serve.server, ocr_trainer_serve.worker, ocr_trainer_runtime as ocr\n"
        f"reader = ocr.load({str(models[0])!r}, {str(models[1])!r}); print(reader.predict(sys.stdin.buffer.read()).text)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=GOOD, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.strip() == b"abc"
