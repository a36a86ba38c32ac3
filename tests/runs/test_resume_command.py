"""`ocr-train resume` and `resume=auto`: which run they go on with, what they refuse, and what they say."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.cutting import RECOGNIZER, Cut, checkpoints, cut_off, ocr_train
from helpers.launching import run_folder

from ocr_trainer.plugin import discovery
from ocr_trainer.runs.run_dir import hold

ONCE = [*RECOGNIZER, "trainer.max_epochs=1", "dataset.text.train_texts=14"]
"""A run of 4 steps."""
AUTO = [*ONCE, "resume=auto"]
DATA = Path(__file__).parents[1] / "data"
STRANGERS = Path(__file__).parents[1] / "strangers"
WITHOUT_TORCH = """\
import sys
from ocr_trainer.cli.main import main
sys.argv = ["ocr-train", *sys.argv[1:]]
status = main()
print("with torch" if "torch" in sys.modules else "without torch")
sys.exit(status)
"""


def light(place: Path, *words: str) -> tuple[int, str, str]:
    """Run a command that needs no torch in a process of its own; see that it did not import it."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *words],
        cwd=place, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    *said, torch_or_not = done.stdout.splitlines()
    assert torch_or_not == "without torch"
    assert "Traceback" not in done.stderr
    return done.returncode, "\n".join(said), done.stderr


def listing(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Return what lies below a folder: bytes, and when they were written."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    # A process that closes a locked file unlocks it.
    content = {path: b"" if path.name == ".lock" else path.read_bytes() for path in files}
    return {str(path.relative_to(folder)): (content[path], path.stat().st_mtime_ns) for path in files}


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was stopped after 2 steps of 4; nothing here goes on with it."""
    return cut_off(tmp_path_factory.mktemp("cut"), AUTO, Cut("on_train_batch_end", 2))


def test_case_19_the_same_command_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = cut_off(tmp_path, AUTO, Cut("on_train_batch_end", 3))
    assert f"to resume: ocr-train resume {folder}" in capsys.readouterr().err
    assert ocr_train(tmp_path, AUTO) == 0
    assert run_folder(tmp_path) == folder
    assert "resuming after step 3, in epoch 1, from" in capsys.readouterr().err
    report = json.loads((folder / "report.json").read_text())
    assert report["steps"] == 4
    assert [(entry["overrides"], entry["changes"]) for entry in report["resumed"]] == [([], [])]
    before = listing(tmp_path)
    for words in (AUTO, ["resume", str(folder)]):
        status, said, errors = light(tmp_path, *words)
        assert (status, errors) == (0, "")
        assert said.startswith(f"the run in {folder} is finished: there is nothing to resume\n")
        assert f"ocr-train resume {folder} trainer.max_epochs=" in said
        assert listing(tmp_path) == before


def test_case_19_each_goes_on_with_its_own(tmp_path: Path):
    """Two unfinished runs of one name that differ, in the order in which the first is not the find_newest."""
    first = cut_off(tmp_path, AUTO, Cut("on_train_batch_end", 2))
    assert (
        ocr_train(tmp_path, [*AUTO, "optimizer.lr=0.01"], Cut("on_train_batch_end", 2))
        == 128 + signal.SIGTERM
    )
    (second,) = {path.parent for path in tmp_path.glob("runs/*/*/config.yaml")} - {first}
    assert ocr_train(tmp_path, AUTO) == 0
    assert (first / "report.json").is_file()
    assert not (second / "report.json").exists()
    # Without resume=auto a run is a new one.
    assert ocr_train(tmp_path, ONCE) == 0
    assert len(list(tmp_path.glob("runs/*/*/config.yaml"))) == 3


def test_case_19_each_run_of_a_sweep_goes_on_with_its_own(tmp_path: Path):
    words = ["-m", *AUTO, "optimizer.lr=1e-3,1e-2"]
    # In the second run.
    assert ocr_train(tmp_path, words, Cut("on_train_batch_end", 6)) == 128 + signal.SIGTERM
    folders = sorted(path.parent for path in tmp_path.glob("runs/*/*/config.yaml"))
    done = [(folder / "report.json").is_file() for folder in folders]
    assert sorted(done) == [False, True]
    before = listing(folders[done.index(True)])
    assert ocr_train(tmp_path, words) == 0
    assert sorted(path.parent for path in tmp_path.glob("runs/*/*/config.yaml")) == folders
    assert listing(folders[done.index(True)]) == before
    assert checkpoints(folders[done.index(False)])["last.ckpt"]["global_step"] == 4


def test_case_19_a_run_that_is_still_going(cut: Path):
    """It is, as far as others can see: this process has its lock."""
    hold(cut)
    before = listing(cut)
    for words in (AUTO, ["resume", str(cut)]):
        status, _, errors = light(cut.parents[2], *words)
        assert status == 2
        assert f"the run in {cut} is still running (process " in errors
    assert listing(cut) == before


SAME = ["data.batch_size=2", "seed=5", "dataset.text.train_texts=30", "model.height=48", "model.size=small"]
SAME += [
    "data.bucket_batches=4",
    "optimizer=sgd",
    "optimizer.decay_norms=true",
    "ema.enabled=true",
    "trainer.accumulate_grad_batches=2",
]


def test_case_17_what_would_be_another_run_is_refused(cut: Path):
    before = listing(cut)
    status, _, errors = light(cut, "resume", str(cut), *SAME)
    assert status == 2
    head, *listed, hint = errors.splitlines()
    assert head == f"ocr-train: the run in {cut} cannot be resumed with these changes:"
    keys = {word.partition("=")[0] for word in SAME} - {"optimizer"} | {"optimizer.name"}
    assert {line.partition(":")[0] for line in listed} == {f"  - {key}" for key in keys}
    assert "  - data.batch_size: 4 before, 2 now" in listed
    assert "  - model.size: tiny before, small now" in listed
    assert hint == "  start a new run from its weights: init_from=…/checkpoints/last.ckpt"
    assert listing(cut) == before


def test_case_17_a_changed_learning_rate_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = cut_off(tmp_path, ONCE, Cut("on_train_batch_end", 2))
    assert (
        ocr_train(tmp_path, ["resume", str(folder), "optimizer.lr=0.5", "trainer.log_every_n_steps=1"]) == 0
    )
    errors = capsys.readouterr().err
    assert (
        "ocr-train: optimizer.lr: 0.001 before, 0.5 now (no effect: the checkpoint's value is used)" in errors
    )
    assert "ocr-train: trainer.log_every_n_steps: 10 before, 1 now (from here on)" in errors
    assert "log_every_n_steps: 1\n" in (folder / "config.yaml").read_text()
    (entry,) = json.loads((folder / "report.json").read_text())["resumed"]
    assert entry["overrides"] == ["optimizer.lr=0.5", "trainer.log_every_n_steps=1"]
    assert [change.partition(":")[0] for change in entry["changes"]] == [
        "optimizer.lr",
        "trainer.log_every_n_steps",
    ]
    rates = {
        group["initial_lr"]
        for group in checkpoints(folder)["last.ckpt"]["optimizer_states"][0]["param_groups"]
    }
    assert rates == {0.001}


def test_case_17_weights_of_another_shape(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Where the configuration does not tell: it was written by hand, or the plugin is another version."""
    folder = cut_off(tmp_path, ONCE, Cut("on_train_batch_end", 1))
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace("size: tiny", "size: small"))
    assert ocr_train(tmp_path, ["resume", str(folder)]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"ocr-train: {folder}/checkpoints/last.ckpt does not fit this model: ")
    assert " there, (" in last


def test_folders_that_are_none_of_a_run(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "config.yaml").write_text("model:\n  name: crnn\n si")
    (tmp_path / "list").mkdir()
    (tmp_path / "list" / "config.yaml").write_text("- model\n")
    (tmp_path / "binary").mkdir()
    (tmp_path / "binary" / "config.yaml").write_bytes(b"\xff\xfe\x00")
    said = {
        "empty": "is not a run directory: it has no config.yaml",
        "nowhere": "is not a run directory: there is no such folder",
        "torn": "config.yaml is not valid YAML (line 3): ",
        "list": "config.yaml must hold options, each as KEY: VALUE; it holds a list",
        "binary": "config.yaml cannot be read: ",
    }
    for name, words in said.items():
        status, _, errors = light(tmp_path, "resume", name)
        assert (status, words in errors) == (2, True), errors
    status, _, errors = light(tmp_path, "resume")
    assert (status, errors) == (
        2,
        "ocr-train: ocr-train resume: no run given. Name its folder: ocr-train resume RUN_FOLDER\n",
    )


@pytest.fixture
def _acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the stranger's plugins, as far as Python can tell."""
    info = tmp_path / "site" / "acme.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    points = (
        "[ocr_trainer.models]\nacme = acme_plugin:model\n[ocr_trainer.datasets]\nacme = acme_plugin:dataset\n"
    )
    (info / "entry_points.txt").write_text(points)
    for folder in (STRANGERS, info.parent):
        monkeypatch.syspath_prepend(folder)
    discovery.installed.cache_clear()
    discovery.described.cache_clear()


@pytest.mark.usefixtures("_acme")
def test_case_18_a_checkpoint_of_the_first_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """It reads what it read when it was written: by the last version of that format, as was `format1.json`."""
    from ocr_trainer.data.images import write_image

    kept = DATA / "format1.ckpt"
    assert torch.load(kept, weights_only=True)["ocr_trainer"]["format"] == 1
    noise = np.random.default_rng(0).integers(256, size=(48, 64, 3), dtype=np.uint8)
    write_image(tmp_path / "noise.png", noise)
    assert ocr_train(tmp_path, ["predict", str(kept), "noise.png", "--out", "out"]) == 0
    now, then = (
        json.loads(path.read_text()) for path in (tmp_path / "out" / "noise.json", DATA / "format1.json")
    )
    assert len(then["detections"]) == 56
    for key, value in (("version", 1), ("exif_orientation", "applied"), ("warnings", [])):
        assert now.pop(key) == value
    assert now == then

    words = [
        "model=acme",
        "dataset=acme",
        "logger=[]",
        "data.max_skipped=1",
        "augment.crop=32",
        "data.num_workers=0",
    ]
    folder = cut_off(tmp_path, [*words, "trainer.accelerator=cpu"], Cut("on_train_batch_end", 1))
    (folder / "checkpoints" / "last.ckpt").write_bytes(kept.read_bytes())
    capsys.readouterr()
    assert ocr_train(tmp_path, ["resume", str(folder)]) == 2
    errors = capsys.readouterr().err
    assert f"none of the checkpoints in {folder / 'checkpoints'} can be resumed from:" in errors
    assert "last.ckpt has no position in training to resume from" in errors
