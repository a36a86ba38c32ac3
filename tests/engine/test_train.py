"""Whole runs, as a user starts them; small, but with every real part."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from ocr_trainer.cli.main import main

SMALL = [
    "model=dbnet",
    "model.neck_channels=8",
    "model.backbone.width=8",
    "dataset.train_pages=4",
    "dataset.val_pages=2",
    "dataset.test_pages=2",
    "dataset.height=128",
    "dataset.width=128",
    "dataset.max_words=10",
    "model.size=128",
    "augment.crop=64",
    "data.batch_size=2",
    "data.num_workers=0",
    "trainer.accelerator=cpu",
    "trainer.max_epochs=2",
]


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, *words: str) -> int:
    """Call the command line in this process, in a folder."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["ocr-train", *words])
    return main()


def only_run(folder: Path, name: str = "default") -> Path:
    (made,) = (folder / "runs" / name).iterdir()
    return made


def report(folder: Path) -> dict:
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A finished run, started as a process, with what it printed."""
    place = tmp_path_factory.mktemp("run")
    words = [*SMALL, "exp_name=first", "ema.enabled=true", "logger=[csv,tensorboard]", "seed=3"]
    process = subprocess.run(
        [sys.executable, "-m", "ocr_trainer", *words],
        cwd=place,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert process.stderr == ""
    return only_run(place, "first"), process.stdout


def test_the_run_folder_holds_what_it_should(done: tuple[Path, str]):
    folder, _ = done
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {
        "config.yaml",
        "report.json",
        "checkpoints/best.ckpt",
        "checkpoints/last.ckpt",
        "csv/metrics.csv",
        "pictures/1.png",
        "pictures/2.png",
    } <= names
    assert any(name.startswith("tensorboard/events.") for name in names)


def test_the_report_tells_how_the_run_went(done: tuple[Path, str]):
    told = report(done[0])
    assert set(told["scores"]) == {
        f"{split}/{metric}{rate}"
        for split in ("val", "test")
        for metric in ("", "cleval_")
        for rate in ("precision", "recall", "hmean")
    }
    assert {"by_height", "by_aspect", "by_threshold"} == set(told["details"])
    assert told["best_checkpoint"] == "checkpoints/best.ckpt"
    assert (told["epochs"], told["steps"], told["seed"], told["device"], told["test_split"]) == (
        2,
        4,
        3,
        "cpu",
        "test",
    )
    assert {(p["kind"], p["name"], p["distribution"]) for p in told["plugins"]} == {
        ("model", "dbnet", "ocr-trainer-dbnet"),
        ("backbone", "resnet18", "ocr-trainer-dbnet"),
        ("optimizer", "adamw", "ocr-trainer"),
        ("schedule", "cosine", "ocr-trainer"),
        ("dataset", "synthetic", "ocr-trainer-synthetic"),
        ("logger", "csv", "ocr-trainer"),
        ("logger", "tensorboard", "ocr-trainer-tensorboard"),
    }
    assert list(told["seconds"]) == ["compose", "import", "build", "fit", "calibrate", "test"]
    before_fit = sum(told["seconds"][phase] for phase in ("compose", "import", "build"))
    assert before_fit < told["first_step_after"] < before_fit + told["seconds"]["fit"]
    assert 100_000 < told["parameters"] < 1_000_000
    assert told["skipped"] == {
        "images": 0,
        "labels": 0,
        "texts": 0,
        "remarks": 0,
        "of_images": 0,
        "of_labels": 0,
        "entries": [],
    }


def test_the_closing_table_and_the_folder_are_printed(done: tuple[Path, str]):
    folder, printed = done
    assert printed.rstrip().endswith(str(folder))
    for name, score in report(folder)["scores"].items():
        assert re.search(rf"^  {name} +{score:.4f}$", printed, re.MULTILINE)
    assert "epoch 2, step 4: val/hmean" in printed or "val/precision" in printed


def test_losses_and_scores_reach_the_logger(done: tuple[Path, str]):
    with (done[0] / "csv" / "metrics.csv").open(encoding="utf-8") as rows:
        columns = set(csv.DictReader(rows).fieldnames or ())
    assert {"epoch", "step", "val/hmean", "test/hmean"} <= columns


def test_the_test_scores_the_average_of_the_weights(tmp_path: Path):
    from ocr_trainer.config.compose import compose
    from ocr_trainer.engine.train import train
    from ocr_trainer.runs import timing
    from ocr_trainer.tasks.detection.task import DetectionTask

    seen = []

    class Watching(DetectionTask):
        def on_test_epoch_start(self) -> None:
            seen.append({name: value.clone() for name, value in self.state_dict().items()})
            super().on_test_epoch_start()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ocr_trainer.engine.session.task_class", lambda _task: Watching)
        train(compose([*SMALL, "ema.enabled=true", "logger=[]"]), tmp_path, timing.PhaseTimer())
    saved = torch.load(tmp_path / "checkpoints" / "best.ckpt", weights_only=True)
    weight = "model.probability.0.weight"
    torch.testing.assert_close(seen[0][weight], saved["state_dict"][weight], rtol=0, atol=0)
    assert not torch.equal(saved["state_dict"][weight], saved["current_model_state"][weight])


@pytest.mark.parametrize("content", [b"", b"h", b".", b"PK\x03\x04 cut", b"{}", "not ours".encode("utf-16")])
def test_a_damaged_checkpoint_is_refused(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    (tmp_path / "bad.ckpt").write_bytes(content)
    assert run(monkeypatch, tmp_path, "test", "bad.ckpt") == 2
    assert "bad.ckpt" in capsys.readouterr().err
    assert run(monkeypatch, tmp_path, "test", "none.ckpt") == 2
    assert capsys.readouterr().err == "ocr-train: there is no checkpoint none.ckpt\n"


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    torch.save({"state_dict": {}}, tmp_path / "other.ckpt")
    assert run(monkeypatch, tmp_path, "predict", "other.ckpt", "a.png") == 2
    assert "other.ckpt was not written by ocr-train" in capsys.readouterr().err


def test_a_device_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    assert run(monkeypatch, tmp_path, *SMALL, "trainer.accelerator=gpuu") == 2
    assert "an option of trainer.* is not possible: " in capsys.readouterr().err


def test_a_checkpoint_is_plain_and_rebuilds_its_model(
    done: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, capsys
):
    folder, _ = done
    checkpoint = torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)
    assert checkpoint["ocr_trainer"]["config"]["model"]["neck_channels"] == 8
    elsewhere = folder.parents[1] / "elsewhere"
    elsewhere.mkdir()
    best = folder / "checkpoints" / "best.ckpt"
    assert run(monkeypatch, elsewhere, "test", str(best), "exp_name=again", "trainer.accelerator=cpu") == 0
    again = report(only_run(elsewhere, "again"))
    told = report(folder)
    assert again["scores"] == {name: told["scores"][name] for name in again["scores"]}
    assert "test/hmean" in capsys.readouterr().out


def test_predict_writes_polygons_and_overlays(
    done: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, capsys
):
    folder, _ = done
    place = folder.parents[1] / "predicting"
    (place / "sub").mkdir(parents=True)
    page = np.full((90, 150, 3), 255, np.uint8)
    cv2.putText(page, "TOTAL", (10, 60), cv2.FONT_HERSHEY_SIMPLEX, 1, (0, 0, 0), 2)
    for name in ("page.png", "sub/page.png", "ünï cödé, &.jpg"):
        (place / name).write_bytes(cv2.imencode(Path(name).suffix, page)[1].tobytes())
    (place / "broken.jpg").write_bytes(b"\xff\xd8 not an image")
    words = ["page.png", "sub/page.png", "ünï cödé, &.jpg", "broken.jpg", "model.box_threshold=0.01"]
    assert (
        run(monkeypatch, place, "predict", str(folder / "checkpoints" / "last.ckpt"), *words, "--out", "out")
        == 0
    )
    for name in ("page", "page-2", "ünï cödé, &"):
        record = json.loads((place / "out" / f"{name}.json").read_text(encoding="utf-8"))
        assert (record["width"], record["height"]) == (150, 90)
        for detection in record["detections"]:
            points = np.array(detection["polygon"])
            assert points.shape[1] == 2
            assert (points >= -1).all()
            assert (points <= [151, 91]).all()
            assert 0 <= detection["score"] <= 1
        overlay = cv2.imdecode(np.fromfile(place / "out" / f"{name}.overlay.png", np.uint8), cv2.IMREAD_COLOR)
        assert overlay is not None
    assert "skipped" in capsys.readouterr().err
    assert run(monkeypatch, place, "predict", str(folder / "checkpoints" / "last.ckpt"), "broken.jpg") == 2


@pytest.mark.parametrize(
    ("words", "steps"),
    [
        (["trainer.limit_val_batches=0", "trainer.limit_test_batches=0"], 4),
        (["trainer.limit_test_batches=0"], 4),
        (["trainer.max_steps=1"], 1),
        (["trainer.max_steps=3", "trainer.check_val_every_n_epoch=5"], 3),
        (["dataset.val_pages=0", "dataset.test_pages=0"], 4),
        (["optimizer=sgd", "schedule=one_cycle", "trainer.accumulate_grad_batches=2", "logger=[]"], 2),
        (["trainer.precision=bf16-mixed", "trainer.gradient_clip_val=1.0", "schedule=poly"], 4),
    ],
)
def test_a_run_ends_with_its_checkpoint_and_report(
    words: list[str],
    steps: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    assert run(monkeypatch, tmp_path, *SMALL, *words) == 0
    unvalidated = {
        "trainer.limit_val_batches=0",
        "trainer.max_steps=1",
        "trainer.max_steps=3",
        "dataset.val_pages=0",
    }
    chosen = "(the last: no validation)" if unvalidated.intersection(words) else "by val/hmean"
    shown = capsys.readouterr().out.split("best checkpoint")[1].splitlines()[0]
    assert shown.strip() == f"checkpoints/best.ckpt {chosen}"
    folder = only_run(tmp_path)
    told = report(folder)
    assert told["steps"] == steps
    for name in ("best", "last"):
        torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)
    assert told["best_checkpoint"] == "checkpoints/best.ckpt"


@pytest.mark.parametrize(
    "option",
    [
        "fast_dev_run=true",
        "barebones=true",
        "enable_checkpointing=false",
        "overfit_batches=1",
        "profiler=simple",
    ],
)
def test_options_of_lightning_that_change_a_runs_shape(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    assert run(monkeypatch, tmp_path, *SMALL, f"trainer.{option}") == 0
    assert report(only_run(tmp_path))["steps"] >= 1


def test_the_origins_command_works_as_its_users_type_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    words = [
        "logger=wandb",
        "trainer.max_epochs=1",
        "trainer.limit_train_batches=0.01",
        "trainer.limit_val_batches=0.01",
        "exp_name=lazy_import_complete",
        "logger.wandb.enabled=false",
    ]
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    assert run(monkeypatch, tmp_path, *SMALL, *words) == 0
    folder = only_run(tmp_path, "lazy_import_complete")
    assert report(folder)["steps"] == 1
    assert not (folder / "wandb").exists()
    assert "wandb" not in sys.modules


def test_a_sweep_is_one_run_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    words = ["trainer.max_steps=1", "trainer.limit_test_batches=0", "logger=[]", "exp_name=sweep"]
    assert run(monkeypatch, tmp_path, "-m", *SMALL, *words, "optimizer.lr=1e-3,1e-4") == 0
    folders = [path for path in (tmp_path / "runs" / "sweep").iterdir() if (path / "report.json").exists()]
    configs = [(path / "config.yaml").read_text(encoding="utf-8") for path in folders]
    assert sorted("lr: 0.001\n" in config for config in configs) == [False, True]


def test_the_same_seed_gives_the_same_scores_and_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    states = []
    for name in ("one", "two"):
        assert (
            run(
                monkeypatch, tmp_path, *SMALL, "logger=[]", f"exp_name={name}", "trainer.limit_test_batches=0"
            )
            == 0
        )
        checkpoint = torch.load(only_run(tmp_path, name) / "checkpoints" / "last.ckpt", weights_only=True)
        states.append(checkpoint["state_dict"])
    for name, weight in states[0].items():
        torch.testing.assert_close(weight, states[1][name], rtol=0, atol=0)
