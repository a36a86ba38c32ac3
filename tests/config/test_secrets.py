"""Secrets serve a run and are found nowhere afterwards: canaries in every place that a run sees."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from ocr_trainer.config import security
from ocr_trainer.config.compose import compose, run_hydra
from ocr_trainer.config.schema import plain
from ocr_trainer.config.security import redact
from ocr_trainer.errors import ConfigError

CANARIES = {
    "unused": "canary-of-the-environment-4711",
    "token": "canary-of-the-configuration-0815",
    "number": "73190468",
    "unread": "canary-of-the-shell-2342",
    "argv": "canary-of-the-command-line-1234",
    "netrc": "canary0of0the0netrc000000000000000000042",
    "key": "canary0of0the0wandb0key00000000000000099",
}
VAULT = '''
from dataclasses import dataclass, field
from ocr_trainer_synthetic.plugin import SyntheticConfig
from ocr_trainer.plugin import DatasetPlugin, Task

@dataclass
class VaultConfig(SyntheticConfig):
    """Pages behind a lock."""

    token: str = ""
    pin: int = 0
    source: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    place: str = ""
    shell: str = ""
    fail: bool = False

vault = DatasetPlugin(api=1, summary="pages behind a lock", config=VaultConfig, tasks=(Task.detection,),
                      factory="ocr_trainer_vault.model:open_vault")
'''
OPEN = """
import logging
from ocr_trainer_synthetic.synthetic import Synthetic

def open_vault(config, context):
    assert (config.token, config.pin) == ("TOKEN", NUMBER)
    assert config.source == "https://alice:ARGV@example.org/pages"
    assert config.headers == {"auth": "Bearer TOKEN"}
    assert (config.place, config.shell) == ("/data/vault", "SHELL")
    logging.getLogger("ocr_trainer").warning("%s opens with %r and %r", config.place, config.token, config.shell)
    if config.fail:
        raise RuntimeError(f"no entry with {config.token} at {config.source}")
    return Synthetic(config, context)
"""
WORDS = [
    *(
        "model=dbnet",
        "model.neck_channels=8",
        "model.backbone.width=8",
        "model.size=128",
        "augment.crop=64",
        "data.batch_size=2",
    ),
    *("dataset=vault", "dataset.train_pages=4", "dataset.val_pages=2", "dataset.test_pages=2"),
    *("dataset.height=128", "dataset.width=128", "data.num_workers=0", "trainer.accelerator=cpu"),
    *("trainer.max_steps=2", "trainer.log_every_n_steps=1", "calibrate.enabled=false"),
    *("dataset.token=${oc.env:TOKEN}", "dataset.pin=${oc.env:PIN}"),
    "+dataset.headers.auth='Bearer ${oc.env:TOKEN}'",
    "dataset.place=${oc.env:DATA_ROOT}/vault",
    f"dataset.shell={CANARIES['unread']}",  # as the shell writes dataset.shell=$MY_PASSWORD
    f"dataset.source='https://alice:{CANARIES['argv']}@example.org/pages'",
]


LOGGERS = ["logger=[csv,tensorboard,wandb]", "logger.wandb.mode=offline"]


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test has read of the environment is no secret of the next."""
    for memory in ("_values", "_references"):
        monkeypatch.setattr(security, memory, {})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a plugin that has secrets among its options, and the home of somebody with an account."""
    folder = tmp_path_factory.mktemp("secrets")
    package, info = folder / "site" / "ocr_trainer_vault", folder / "site" / "ocr_trainer_vault-1.0.dist-info"
    for path in (package, info, folder / "home", folder / "work"):
        path.mkdir(parents=True)
    opened = OPEN.replace("TOKEN", CANARIES["token"]).replace("NUMBER", CANARIES["number"])
    (package / "__init__.py").touch()
    (package / "plugin.py").write_text(VAULT)
    opened = opened.replace("ARGV", CANARIES["argv"]).replace("SHELL", CANARIES["unread"])
    (package / "model.py").write_text(opened)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ocr-trainer-vault\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ocr_trainer.datasets]\nvault = ocr_trainer_vault.plugin:vault\n")
    netrc = f"machine api.wandb.ai login user password {CANARIES['netrc']}\n"
    (folder / "home" / ".netrc").write_text(netrc)
    (folder / "home" / ".netrc").chmod(0o600)
    return folder


def ocr_train(place: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    secrets = {
        "AWS_SECRET_ACCESS_KEY": CANARIES["unused"],
        "TOKEN": CANARIES["token"],
        "PIN": CANARIES["number"],
        "MY_PASSWORD": CANARIES["unread"],
        "DATA_ROOT": "/data",
    }
    return subprocess.run(
        [sys.executable, "-m", "ocr_trainer", *words],
        cwd=place / "work",
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("WANDB_")},
            **{"OMP_NUM_THREADS": "1", "HOME": str(place / "home"), "PYTHONPATH": str(place / "site")},
            **{"OCR_TRAIN_SECRET_VARIABLES": "PIN", "WANDB_API_KEY": CANARIES["key"], **secrets, **more},
        },
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=240,
        check=False,
    )


def canaries_in(data: bytes) -> list[str]:
    return [name for name, canary in CANARIES.items() if canary.encode() in data]


def left_behind(place: Path) -> dict[str, list[str]]:
    files = [file for file in (place / "work").rglob("*") if file.is_file()]
    return {
        str(file.relative_to(place)): found for file in files if (found := canaries_in(file.read_bytes()))
    }


def test_case_62_a_run_leaves_no_secret_behind(place: Path):
    done = ocr_train(place, *WORDS, *LOGGERS)
    assert done.returncode == 0, done.stdout + done.stderr
    kinds = {file.suffix for file in (place / "work").rglob("*")}
    assert kinds >= {".yaml", ".json", ".csv", ".ckpt", ".wandb", ".log"}, kinds
    assert any("tfevents" in file.name for file in (place / "work").rglob("*"))
    assert left_behind(place) == {}
    assert canaries_in((done.stdout + done.stderr).encode()) == []
    (config,) = (place / "work").glob("runs/*/*/config.yaml")
    dataset = yaml.safe_load(config.read_text())["dataset"]
    assert (dataset["token"], dataset["pin"]) == ("${oc.env:TOKEN}", "${oc.env:PIN}")
    assert dataset["headers"] == {"auth": "Bearer ${oc.env:TOKEN}"}
    assert dataset["source"] == "https://***@example.org/pages"
    assert (dataset["place"], dataset["shell"]) == ("${oc.env:DATA_ROOT}/vault", "${oc.env:MY_PASSWORD}")
    assert "/data/vault opens with '${oc.env:TOKEN}' and '${oc.env:MY_PASSWORD}'" in done.stderr


def test_case_62_neither_do_tracebacks_and_messages(place: Path):
    crashed = ocr_train(place, *WORDS, "logger=[]", "dataset.fail=true")
    assert crashed.returncode == 1
    assert "RuntimeError: no entry with ${oc.env:TOKEN} at https://***@example.org/pages" in crashed.stderr
    refused = ocr_train(place, *WORDS, "seed=${oc.env:TOKEN}", "exp_name=../${oc.env:TOKEN}")
    assert refused.returncode == 2
    assert "Value '${oc.env:TOKEN}' of type 'str' could not be converted to Integer" in refused.stderr
    swept = ocr_train(place, "-m", *WORDS, "logger=[]", "dataset.fail=true,true", "output_dir=swept")
    assert swept.returncode == 1, swept.stderr
    (file,) = (place / "work" / "swept").glob("*/sweep-*/multirun.yaml")
    assert "https://***@example.org" in file.read_text()
    for done in (crashed, refused, swept):
        assert canaries_in((done.stdout + done.stderr).encode()) == []
    assert left_behind(place) == {}


def test_case_62_a_saved_run_reads_the_environment_anew(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OCR_TRAIN_ALLOW_ENV", "PLACE,RATE,ON")
    monkeypatch.setenv("PLACE", "first-place")
    monkeypatch.setenv("RATE", "0.25")
    monkeypatch.setenv("ON", "true")
    words = ["exp_name=run-${oc.env:PLACE}", "optimizer.lr=${oc.env:RATE}", "ema.enabled=${oc.env:ON}"]
    run = compose([*words, "output_dir=${exp_name}/x"])
    assert (run.exp_name, run.optimizer.lr, run.ema.enabled) == ("run-first-place", 0.25, True)
    saved = yaml.safe_load(str(run))
    assert saved == plain(run)
    assert saved["optimizer"]["lr"] == "${oc.env:RATE}"
    assert saved["ema"]["enabled"] == "${oc.env:ON}"
    # Only what came from there: others of the same value, and even of the same name, stay.
    assert saved["logger"]["csv"]["enabled"] is True
    monkeypatch.setenv("PLACE", "second-place")
    monkeypatch.setenv("RATE", "0.5")
    again = compose([], saved)
    assert (again.exp_name, str(again.output_dir)) == ("run-second-place", "run-second-place/x")
    assert (again.optimizer.lr, again.ema.enabled) == (0.5, True)


def test_case_62_a_run_does_not_go_on_without_the_credentials_of_its_url():
    saved = plain(compose(["exp_name='https://u:p@host'"]))
    assert saved["exp_name"] == "https://***@host"
    with pytest.raises(ConfigError, match="exp_name contains a URL whose credentials were not saved"):
        compose([], saved)
    assert compose(["exp_name=other"], saved).exp_name == "other"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://u:p@host/a", "https://***@host/a"),
        ("see s3://key:se/cret@bucket", "see s3://key:se/cret@bucket"),  # no URL: its user part holds a slash
        ("https:/u:p@host/a", "https:/***@host/a"),
        ("postgres+psycopg://u:p%40@h:5432/d?x=1", "postgres+psycopg://***@h:5432/d?x=1"),
        ("https://token@host", "https://***@host"),
        ("https://host/users/@me", "https://host/users/@me"),
        ("C:/a@b", "C:/a@b"),
    ],
)
def test_case_62_urls_lose_their_credentials(text: str, shown: str):
    assert redact(text).replace("///", "//") == shown or redact(text) == shown.replace(":/***", "://***")


def test_case_62_what_hydra_shows_has_none(
    capsys: pytest.CaptureFixture[str], run_nothing: Callable[..., None]
):
    word = "exp_name='https://alice:canary-in-a-url@example.org'"
    run_hydra(run_nothing, run_nothing, ["--cfg", "all", word])
    shown = capsys.readouterr().out
    assert "exp_name: https://***@example.org" in shown
    assert "canary" not in shown


@pytest.fixture
def run_nothing() -> Callable[..., None]:
    def nothing(*_: object) -> None:
        raise AssertionError("nothing was to run")

    return nothing
