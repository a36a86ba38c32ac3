"""Several test sets in one table."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import torch

from ocr_trainer.checkpoint import files
from ocr_trainer.checkpoint.read import FORMAT
from ocr_trainer.config.compose import compose
from ocr_trainer.config.schema import plain
from ocr_trainer.data.images import write_image
from ocr_trainer.evaluation.benchmarks import COLUMNS, averages
from ocr_trainer.plugin import Context, Kind, Task, discovery
from ocr_trainer.testing.recognizers import picture

Cli = Callable[..., CompletedProcess[str]]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    run = compose(["model=crnn", "model.size=tiny", "dataset=words", "dataset.root=x"])
    run = replace(run, charset=replace(run.charset, characters="0123456789"))
    context = Context(task=Task.recognition, charset=run.charset.characters)
    model = discovery.resolve(Kind.model, "crnn")(run.model, context)
    state = {f"model.{name}": value for name, value in model.state_dict().items()}
    path = tmp_path / "crnn.ckpt"
    files.write({"state_dict": state, "ocr_trainer": {"format": FORMAT, "config": plain(run)}}, path)
    return path


def write_set(folder: Path, texts: list[str]) -> None:
    folder.mkdir(parents=True)
    for number, text in enumerate(texts):
        write_image(folder / f"{number}.png", picture(text))
    rows = "".join(f"{number}.png\t{text}\n" for number, text in enumerate(texts))
    (folder / "test.txt").write_text(rows, encoding="utf-8")


def test_averages_over_sets_and_over_texts():
    rows = {
        "a": {"texts": 1, **dict.fromkeys(COLUMNS, 1.0)},
        "b": {"texts": 3, **dict.fromkeys(COLUMNS, 0.5)},
    }
    assert averages(rows) == {
        "over_sets": dict.fromkeys(COLUMNS, 0.75),
        "over_texts": dict.fromkeys(COLUMNS, 0.625),
    }


def test_each_set_is_scored_whole_and_what_is_missing_is_told(cli: Cli, tmp_path: Path, checkpoint: Path):
    write_set(tmp_path / "sets" / "SVT", ["1", "22", "3"])
    write_set(tmp_path / "sets" / "our own's", ["4"])
    (tmp_path / "sets" / "pictures").mkdir()
    done = cli(
        "test", str(checkpoint), "--benchmarks", "sets", "data.num_workers=0", "trainer.accelerator=cpu"
    )
    assert done.returncode == 0, done.stderr
    assert "skipped sets/pictures: no plugin can read it as a dataset" in done.stderr
    assert "missing of the six benchmarks: IIIT5k, IC13, IC15, SVTP, CUTE80" in done.stdout
    (path,) = tmp_path.glob("runs/*/*/report.json")
    told = json.loads(path.read_text(encoding="utf-8"))
    assert {name: row["texts"] for name, row in told["benchmarks"].items()} == {"SVT": 3, "our own's": 1}
    assert told["six"]["sets"] == {"SVT": "SVT"}
    # Random weights read nothing or nonsense: every character counts as missed.
    assert all(row["cer"] >= 0.5 for row in told["benchmarks"].values())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--benchmarks", "nowhere"], "--benchmarks: there is no folder 'nowhere'"),
        (["--benchmarks", "."], "holds no folder with texts that a plugin can read"),
        (["--benchmarks", ".", "--recognizer", "x.ckpt"], "takes a recognizer's checkpoint alone"),
    ],
)
def test_mistakes(cli: Cli, checkpoint: Path, words: list[str], said: str):
    done = cli("test", str(checkpoint), *words)
    assert done.returncode == 2
    assert said in done.stderr
