"""The public names: lazy, typed, complete; each does what its command does."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers.fakes import TINY

import ocr_trainer as ocr
from ocr_trainer import errors
from ocr_trainer.cli.main import main
from ocr_trainer.runs.timing import since_start

SOURCE = ast.parse(Path(ocr.__file__).read_text(encoding="utf-8"))
OWN = ("ocr_trainer.", "ocr_trainer_runtime.")


def told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> str:
    """Return what a command prints."""
    monkeypatch.setattr(sys, "argv", ["ocr-train", *words])
    assert main() == 0
    return capsys.readouterr().out


def test_type_checkers_see_the_names_that_are_there():
    typed = {
        alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(SOURCE)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(OWN)
        for alias in node.names
    }
    assert sorted(ocr.__all__) == sorted([*typed, "__version__"])
    assert set(ocr.__all__) <= set(dir(ocr))
    for name, place in typed.items():
        module, _, attribute = place.rpartition(".")
        assert getattr(ocr, name) is getattr(import_module(module), attribute)
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    assert {kind.__name__ for kind in kinds if issubclass(kind, errors.OcrTrainerError)} <= set(ocr.__all__)


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match=r"^module 'ocr_trainer' has no attribute 'trian'$"):
        _ = ocr.trian


def test_the_import_loads_nothing_else():
    code = "import sys; before = set(sys.modules); import ocr_trainer; print(set(sys.modules) - before)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert ast.literal_eval(done.stdout) == {"ocr_trainer"}


def test_check_is_what_the_command_prints(capsys, monkeypatch: pytest.MonkeyPatch):
    run = ocr.check("model=dbnet", trainer={"max_epochs": 5})
    printed = told(capsys, monkeypatch, "check", "model=dbnet", "trainer.max_epochs=5")
    assert str(run) == printed
    assert yaml.safe_load(printed)["trainer"]["max_epochs"] == run.trainer.max_epochs == 5


def test_plugins_and_describe_are_what_the_commands_print(capsys, monkeypatch: pytest.MonkeyPatch):
    rows = json.loads(told(capsys, monkeypatch, "list-plugins", "model", "--json"))
    assert [plugin._asdict() for plugin in ocr.plugins("model")] == rows
    assert {"model", "dataset", "command"} <= {plugin.kind for plugin in ocr.plugins()}
    assert f"{ocr.describe('model', 'dbnet')}\n" == told(capsys, monkeypatch, "describe", "model", "dbnet")
    with pytest.raises(ocr.ConfigError, match=r"^there is no plugin kind 'modle'. Did you mean 'model'\?"):
        ocr.plugins("modle")
    with pytest.raises(ocr.PluginNotFound, match="Did you mean 'dbnet'"):
        ocr.describe("model", "dbnt")


def test_scores_of_files_are_what_the_command_writes(tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch):
    gt, pred, file = (tmp_path / name for name in ("gt.txt", "pred.txt", "report.json"))
    gt.write_text("a.png\tone\nb.png\ttwo\n")
    pred.write_text("a.png\tone\nb.png\ttow\n")
    report = ocr.score(gt, pred, metric="text")
    words = ["--gt", str(gt), "--pred", str(pred), "--metric", "text", "--json", str(file)]
    told(capsys, monkeypatch, "score", *words)
    assert json.loads(file.read_text(encoding="utf-8")) == report
    assert report["scores"]["word_accuracy"] == 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "clval"}, "no metric plugin named 'clval' is installed. Did you mean 'cleval'?"),
        ({"metric": "text", "iou": 0.5}, "iou= is for metric=icdar: text ignores outlines"),
        ({"metric": "icdar", "iou": 1}, "iou= must be at least 0 and below 1, not 1"),
        ({"metric": "icdar", "ignore_case": True}, "ignore_case= is for metric=cleval: icdar ignores texts"),
        (
            {"metric": "icdar", "form": "quad+confidence"},
            "form=quad+confidence: ground truth has no confidences",
        ),
        ({"metric": "text"}, "gt.txt"),
    ],
)
def test_scores_that_cannot_be(options: dict[str, Any], message: str, tmp_path: Path):
    with pytest.raises(ocr.OcrTrainerError) as caught:
        ocr.score(tmp_path / "gt.txt", tmp_path / "pred.txt", **options)
    assert message in str(caught.value)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> ocr.Run:
    folder, age = tmp_path_factory.mktemp("runs"), since_start()
    run = ocr.train("model=dbnet", *TINY, logger=["csv"], output_dir=folder, exp_name="one, two")
    rounding = 1
    assert sum(run.report["seconds"].values()) < since_start() - age + rounding  # not the age of this process
    return run


def test_a_run_has_its_scores_and_files(run: ocr.Run):
    report = json.loads((run.folder / "report.json").read_text(encoding="utf-8"))
    assert run.report == report
    assert run.scores == report["scores"]
    assert {"val/hmean", "test/hmean"} <= set(run.scores)
    assert run.best == run.folder / "checkpoints" / "best.ckpt"
    assert run.best.is_file()
    assert (run.folder / "config.yaml").read_text(encoding="utf-8") == str(run.config)
    assert run.folder.parent.name == run.config.exp_name == "one, two"
    assert "<td>test/hmean</td>" in run._repr_html_()


def test_a_finished_run_opens_and_resumes(run: ocr.Run, capsys):
    again = ocr.Run.open(run.folder)
    assert (again.folder, again.scores, str(again.config)) == (run.folder, run.scores, str(run.config))
    assert ocr.resume(run.folder).report == run.report
    assert "is finished: there is nothing to resume" in capsys.readouterr().out
    # `resume=auto` finds it, too.
    saved = ["output_dir", "exp_name"]
    options = {key: getattr(run.config, key) for key in saved}
    found = ocr.train("model=dbnet", *TINY, logger=["csv"], resume="auto", **options)
    assert found.folder == run.folder


def test_a_checkpoint_is_scored(run: ocr.Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    scores = ocr.evaluate(
        run.folder, "exp_name=scored", trainer={"accelerator": "cpu"}, data={"num_workers": 0}
    )
    assert scores["test/hmean"] == pytest.approx(run.scores["test/hmean"])
    assert set(scores) == {name for name in run.scores if name.startswith("test/")}
    assert scores.folder.parent.name == "scored"
    assert "test/hmean" in str(scores)
    assert "<td>test/hmean</td>" in scores._repr_html_()


def test_data_is_counted(tmp_path: Path):
    found = ocr.check_data(dataset={"name": "synthetic", "train_pages": 2, "val_pages": 1, "test_pages": 1})
    assert {name: counts.images for name, counts in found.counts.items()} == {"train": 2, "val": 1, "test": 1}
    assert (found.skipped, found.problems) == ([], [])
    assert found.to_dict()["splits"]["train"]["images"] == 2


def test_one_batch_is_overfitted(capsys):
    result = ocr.overfit("model=dbnet", *TINY, steps=1)
    assert not result
    assert len(result.losses) == 2
    assert str(result).startswith("not learned: loss ")
    assert "use more steps: steps=N" in str(result)
    with pytest.raises(ocr.ConfigError, match=r"^steps= must be at least 1, not 0$"):
        ocr.overfit("model=dbnet", steps=0)
