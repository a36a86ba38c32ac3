"""Run directories and checkpoints of version 0.1, with its option names, still resume, test and predict.

`tests/data/version_0_1` holds two runs that version 0.1 stopped by a signal within their second epoch, and
the curves of the same runs when nothing stopped them. The detector is the small one of `tests/strangers`.
"""

from __future__ import annotations

import csv
import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from helpers.fakes import install, python_path
from helpers.forked import ocr_train
from PIL import Image

from ocr_trainer.checkpoint.read import read
from ocr_trainer.config.renames import upgrade

DATA = Path(__file__).parents[1] / "data" / "version_0_1"
STRANGERS = Path(__file__).parents[1] / "strangers"
TASKS = ("detection", "recognition")
OLD_KEYS = {"text_augment", "ranks", "workers", "pictures", "pool", "colour", "grey", "tint", "rand_layers"}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment in which the detector of the old run is installed."""
    place = tmp_path / "acme"
    install(place, "old-detector", "[ocr_trainer.models]\nacme = acme_plugin:model\n")
    return {"OMP_NUM_THREADS": "1", "PATH": "", **python_path(place, STRANGERS)}


@pytest.fixture
def folder(task: str, tmp_path: Path) -> Path:
    """A copy of the stopped run."""
    return Path(shutil.copytree(DATA / task / "stopped", tmp_path / "run"))


def run(words: list[str], folder: Path, environment: dict[str, str]) -> str:
    done = ocr_train(words, folder, environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from keys(item)


def rows(path: Path) -> list[dict[str, float]]:
    with path.open(encoding="utf-8") as file:
        return [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(file)]


@pytest.mark.parametrize("task", TASKS)
def test_a_stopped_run_resumes_to_the_curve_of_the_unbroken_one(
    task: str, folder: Path, environment: dict[str, str]
):
    said = run(["resume", str(folder)], folder.parent, environment)
    assert "from here on" not in said  # no option counts as changed
    curves = [rows(path) for path in (folder / "csv/metrics.csv", DATA / task / "whole/metrics.csv")]
    assert len(curves[0]) == len(curves[1])
    for resumed, unbroken in zip(*curves, strict=True):
        # Rows from before the stop and after it alike; the processor may round differently from ours.
        assert resumed.keys() == unbroken.keys()
        for key, value in unbroken.items():
            assert math.isclose(resumed[key], value, rel_tol=1e-4, abs_tol=1e-6), key
    whole = json.loads((DATA / task / "whole/report.json").read_text(encoding="utf-8"))
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert report["steps"] == whole["steps"]
    assert report["scores"].keys() == whole["scores"].keys()
    assert len(report["resumed"]) == 1
    assert report["resumed"][0]["changes"] == []


def test_the_detectors_weights_are_those_of_the_unbroken_run(tmp_path: Path, environment: dict[str, str]):
    folder = Path(shutil.copytree(DATA / "detection/stopped", tmp_path / "run"))
    run(["resume", str(folder)], tmp_path, environment)
    whole = read(DATA / "detection/whole/last.ckpt")
    resumed = read(folder / "checkpoints/last.ckpt")
    assert resumed["global_step"] == whole["global_step"]
    # The best score is kept once, with the other scores of its validation.
    assert whole["callbacks"].keys() - resumed["callbacks"].keys() == {"ocr_trainer.CheckpointCallback"}
    assert resumed["ocr_trainer"]["best_scores"].keys() == whole["ocr_trainer"]["best_scores"].keys()
    for state in ("state_dict", "averaging_state", "current_model_state"):
        for name, value in whole[state].items():
            if isinstance(value, torch.Tensor):
                torch.testing.assert_close(resumed[state][name], value)


@pytest.mark.parametrize("task", TASKS)
def test_an_old_checkpoint_is_tested_and_predicts(task: str, folder: Path, environment: dict[str, str]):
    checkpoint = str(folder / "checkpoints/last.ckpt")
    run(["test", checkpoint, "output_dir=tested"], folder.parent, environment)
    (report,) = folder.parent.glob("tested/*/*/report.json")
    assert json.loads(report.read_text(encoding="utf-8"))["test_split"] == "test"
    page = np.full((64, 96, 3), 255, dtype=np.uint8)
    page[20:40, 20:70] = 0
    Image.fromarray(page).save(folder / "page.png")
    run(["predict", checkpoint, str(folder / "page.png"), "--out", "found"], folder.parent, environment)
    name = "page.json" if task == "detection" else "readings.jsonl"
    assert (folder.parent / "found" / name).is_file()


@pytest.mark.parametrize("task", TASKS)
def test_nothing_of_the_old_names_is_left(task: str, folder: Path, environment: dict[str, str]):
    old = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    assert {*keys(old)} >= OLD_KEYS
    run(["resume", str(folder)], folder.parent, environment)
    config = torch.load(folder / "checkpoints/last.ckpt", weights_only=True)["ocr_trainer"]["config"]
    assert not OLD_KEYS & {*keys(config)}
    assert config["data"]["num_workers"] == 0
    assert config["data"]["log_images"] == 2
    assert config["augment"]["gray"] == config["augment"]["color"] == 0.1
    assert ("charset" in config) == ("bucket_batches" in config["data"]) == (task == "recognition")
    assert ("calibrate" in config) == (task == "detection")


def test_randaugment_moves_to_the_model_that_has_it():
    old = {
        "text_augment": {"rand_layers": 3, "rand_magnitude": 5.0, "colour": 0.0},
        "augment": {"crop": 480},
        "data": {"pool": 4},
    }
    parseq, crnn = (upgrade({**old, "model": {"name": name}}) for name in ("parseq", "crnn"))
    options = {"rand_augment_layers": 3, "rand_augment_magnitude": 5.0}
    assert parseq["model"] == {"name": "parseq", **options}
    assert crnn["model"] == {"name": "crnn"}
    assert crnn["augment"] == parseq["augment"] == {"color": 0.0}
    assert crnn["data"] == {"bucket_batches": 4}
