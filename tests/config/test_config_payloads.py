"""No configuration runs code: refused with one message, before torch, and before what it names is imported."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.payloads import FILES, FLAGS, HEADED, OVERRIDES, SAVED
from omegaconf import OmegaConf

from ocr_trainer.config.compose import compose, run_hydra
from ocr_trainer.config.schema import plain
from ocr_trainer.config.security import UNSAFE_LOADING, refuse_unsafe_loading
from ocr_trainer.errors import CheckpointError, OcrTrainerError

Cli = Callable[..., "subprocess.CompletedProcess[str]"]

MODULE = "payload_of_a_stranger"
EVIL = "import pathlib\nfolder = pathlib.Path(__file__).parents[0]\n(folder / 'imported').touch()\n\n\n"
EVIL += "def run(*args, **options):\n    (folder / 'ran').touch()\n\n\nHandler = run\n"


class Trap:
    """A folder on the module path, with a module that tells whether it was imported."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / f"{MODULE}.py").write_text(EVIL)
        (folder / "secret.yaml").write_text("exp_name: secret\n")

    def fill(self, value: Any) -> Any:
        """Put the module's name into a payload."""
        text = json.dumps(value).replace("{m}", MODULE).replace("{d}", str(self.folder))
        return json.loads(text)

    def write(self, files: dict[str, str], header: str = "") -> Path:
        """Make a folder for `--config-dir`."""
        place = self.folder / "given" / "experiment"
        place.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (place / f"{name}.yaml").write_text(header + self.fill(text))
        return place.parent

    @property
    def sprung(self) -> list[str]:
        return sorted(
            path.name
            for path in self.folder.rglob("*")
            if path.name in ("imported", "ran", "evil.pickle.ran")
        )


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trap:
    folder = tmp_path / "trap"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.chdir(tmp_path)
    # What another program has registered is no part of a configuration either.
    OmegaConf.register_new_resolver("evil", lambda *_: (folder / "ran").touch(), replace=True)
    yield Trap(folder)
    OmegaConf.clear_resolver("evil")


def refused(attempt: Callable[[], Any]) -> str:
    """Return with what words something is refused; they name no class and no traceback."""
    with pytest.raises(OcrTrainerError) as caught:
        attempt()
    assert "Traceback" not in str(caught.value)
    return str(caught.value)


def through(*words: str) -> None:
    """Compose with Hydra's own driver, and raise what is wrong."""

    def fail(error: OcrTrainerError) -> None:
        raise error

    run_hydra(lambda run: pytest.fail(f"it runs: {words}"), fail, words)


def test_case_51_there_are_payloads_enough_and_the_trap_works(trap: Trap):
    assert len(OVERRIDES) + len(FLAGS) + len(FILES) + len(HEADED) + len(SAVED) >= 60
    from hydra.utils import instantiate

    instantiate({"_target_": f"{MODULE}.run"})
    assert trap.sprung == ["imported", "ran"]


@pytest.mark.parametrize("override", OVERRIDES)
def test_case_51_no_override_runs_code(override: str, trap: Trap):
    word = trap.fill(override)
    refused(lambda: compose([word]))
    if "hydra" in word:
        refused(lambda: through("-m", word, f"output_dir={trap.folder}"))
    assert trap.sprung == []


@pytest.mark.parametrize(
    "flags", [["--cfg", "all"], ["--info", "defaults"], ["--hydra-help"], ["--help"], ["-sc"]]
)
def test_case_51_nothing_that_hydra_shows_runs_code(
    flags: list[str], trap: Trap, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.setattr(logging.getLogger(), "level", logging.INFO)
    monkeypatch.setenv("COMP_LINE", trap.fill("ocr-train hydra.searchpath=[pkg://{m}] model="))
    words = ["query=bash"] if flags == ["-sc"] else trap.fill(["hydra.searchpath=[pkg://{m}]"])
    assert "can run code" in refused(lambda: through(*flags, *words))
    assert trap.sprung == []


@pytest.mark.parametrize("flags", FLAGS, ids=lambda flags: flags[0])
def test_case_51_no_flag_reads_other_files(flags: list[str], trap: Trap):
    assert "there is no flag" in refused(lambda: through(*trap.fill(flags), "model=dbnet"))
    assert trap.sprung == []


@pytest.mark.parametrize("name", [*FILES, *HEADED])
def test_case_52_no_experiment_file_runs_code_or_changes_hydra(name: str, trap: Trap):
    given = trap.write(FILES, "# @package _global_\n")
    trap.write(HEADED)
    for flags in ([], ["-m"]):
        words = (*flags, "--config-dir", str(given), f"experiment={name}", f"output_dir={trap.folder}")
        refused(lambda words=words: through(*words))
    assert trap.sprung == []


def test_case_52_the_refusal_says_what_to_do(trap: Trap):
    given = trap.write({"mine": FILES["sweep"]}, "# @package _global_\n")
    message = refused(lambda: through("--config-dir", str(given), "experiment=mine"))
    assert message == (
        f"{given.resolve()}/experiment/mine.yaml: it sets options of Hydra itself (hydra: …), which is not allowed in a file\n"
        "    set them on the command line instead, such as hydra.job.name=NAME"
    )


def test_case_52_files_are_read_within_their_folder_and_are_no_bombs(trap: Trap):
    bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
    for here, before in zip("bcdefgh", "abcdefg", strict=True):
        bomb += f"{here}: &{here} [{', '.join([f'*{before}'] * 10)}]\n"
    given = trap.write({"bomb": bomb, "deep": "a: " + "[" * 3000 + "]" * 3000})
    (given / "experiment" / "link.yaml").symlink_to(trap.folder / "secret.yaml")
    for name, reason in {
        "bomb": "at most 100000 values",
        "deep": "too deeply",
        "link": "no experiment",
    }.items():
        message = refused(lambda name=name: through("--config-dir", str(given), f"experiment={name}"))
        assert reason in message
    message = refused(lambda: through("--config-dir", str(given), "experiment=../../secret"))
    assert "no experiment" in message or "outside" in message


@pytest.mark.parametrize(("key", "value"), SAVED)
def test_case_51_no_saved_configuration_runs_code(key: str, value: Any, trap: Trap):
    saved = plain(compose([])) | {key: trap.fill(value)}
    refused(lambda: compose([], saved))
    assert trap.sprung == []


@pytest.mark.parametrize(
    "words",
    [["-m", "+hydra.callbacks.x={_target_:{m}.run}"], ["+hydra/callbacks=x"], ["model=https://a/b.c"]],
)
def test_case_51_the_command_ends_with_one_message(words: list[str], trap: Trap, cli: Cli):
    code = f"import sys; sys.argv = ['ocr-train', *{trap.fill(words)!r}]; sys.path.insert(0, {str(trap.folder)!r})\n"
    code += "from ocr_trainer.cli.main import main\nstatus = main()\nassert 'torch' not in sys.modules\nsys.exit(status)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=trap.folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("ocr-train: ")
    assert "Traceback" not in done.stderr
    assert trap.sprung == []


def test_case_51_what_sweeps_need_of_hydra_can_be_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    runs: list[float] = []
    words = [
        "-m",
        "optimizer.lr=1e-3,3e-3",
        "hydra.job.name=mine",
    ]
    words += [
        "hydra.sweeper.max_batch_size=1",
        "hydra/launcher=basic",
        "hydra.verbose=false",
    ]
    run_hydra(lambda run: runs.append(run.optimizer.lr), pytest.fail, words)
    assert runs == [1e-3, 3e-3]
    (file,) = tmp_path.glob("runs/default/sweep-*/multirun.yaml")
    assert file.is_file()


def test_case_56_a_model_is_the_name_of_an_installed_plugin(monkeypatch: pytest.MonkeyPatch):
    def no_socket(*_: Any, **__: Any) -> None:
        raise AssertionError("no configuration opens a connection")

    monkeypatch.setattr("socket.socket", no_socket)
    monkeypatch.setattr("socket.getaddrinfo", no_socket)
    for name in (
        "os",
        "os.path:join",
        "https://example.org/model",
        "ocr_trainer_dbnet.model:DBNet",
        "../dbnet",
        "a/b",
    ):
        assert "model" in refused(lambda name=name: compose([f"model='{name}'"]))
        assert "model" in refused(lambda name=name: compose([f"model.name='{name}'"]))
        saved = plain(compose([])) | {"model": {"name": name}}
        assert "no model plugin" in refused(lambda saved=saved: compose([], saved))


def test_case_54_an_environment_that_runs_the_code_in_checkpoints_is_refused(monkeypatch: pytest.MonkeyPatch):
    for value in ("1", "y", "YES", "true"):
        monkeypatch.setenv(UNSAFE_LOADING, value)
        with pytest.raises(CheckpointError, match=f"^{UNSAFE_LOADING} is set, .*: unset it$"):
            refuse_unsafe_loading()
    for value in ("", "0", "false"):
        monkeypatch.setenv(UNSAFE_LOADING, value)
        refuse_unsafe_loading()
