"""Beginning with another checkpoint's weights, looking at the first batch, learning one by heart."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
import torch

from ocr_trainer.checkpoint import files
from ocr_trainer.checkpoint.architecture import take_architecture
from ocr_trainer.checkpoint.init_from import load_initial_weights
from ocr_trainer.checkpoint.read import FORMAT
from ocr_trainer.config.compose import compose, run_hydra
from ocr_trainer.config.renames import upgrade
from ocr_trainer.config.schema import InitFromConfig, RunConfig, plain
from ocr_trainer.data.types import Batch
from ocr_trainer.errors import CheckpointError, ConfigError, DataError
from ocr_trainer.plugin import Context, Kind, Task, discovery
from ocr_trainer.tasks.detection.task import DetectionTask

SMALL = [
    "model=dbnet",
    "model.neck_channels=8",
    "model.size=128",
    "augment.crop=64",
    "data.batch_size=2",
    "data.num_workers=0",
]
SMALL += [
    "dataset.train_pages=4",
    "dataset.val_pages=0",
    "dataset.test_pages=0",
    "dataset.height=128",
    "dataset.width=128",
]
SMALL += ["dataset.min_font_size=20", "trainer.accelerator=cpu", "trainer.max_epochs=1"]  # fmt: skip

Cli = Callable[..., CompletedProcess[str]]


def model_of(*overrides: str):
    run = compose([*SMALL, *overrides])
    torch.manual_seed(len(overrides))
    return run, discovery.resolve(Kind.model, run.model.name)(run.model, Context(task=Task.detection))


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, dict]:
    run, model = model_of("seed=1")
    state = {f"model.{name}": value for name, value in model.state_dict().items()}
    path = tmp_path / "old.ckpt"
    files.write({"state_dict": state, "ocr_trainer": {"format": FORMAT, "config": plain(run)}}, path)
    return path, model.state_dict()


def test_all_weights_are_taken_over(saved: tuple[Path, dict]):
    path, state = saved
    run, model = model_of()
    told = load_initial_weights(model, run.model, path).to_dict()
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert told["loaded"] == len(state)
    assert not any(
        told[key] for key in ("not_in_checkpoint", "of_another_shape", "left_over", "different_options")
    )


def test_what_does_not_fit_stays_as_it_was_and_is_told(saved: tuple[Path, dict]):
    path, state = saved
    run, model = model_of("model.neck_channels=16")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    weight_report = load_initial_weights(model, run.model, path, partial=True)
    for name, value in model.state_dict().items():
        assert torch.equal(value, state[name] if value.shape == state[name].shape else before[name])
    assert "options that differ: neck_channels=8 there, 16 here" in str(weight_report)
    assert "neck.lateral.0.weight ((8, 64, 1, 1) there, (16, 64, 1, 1) here)" in str(weight_report)


def test_another_backbone_leaves_tensors_over(saved: tuple[Path, dict]):
    path, _ = saved
    run, model = model_of("model.backbone.name=resnet34")
    told = load_initial_weights(model, run.model, path, partial=True).to_dict()
    own = set(model.state_dict())
    assert set(told["not_in_checkpoint"]) == {n for n in own if n not in saved[1]} != set()
    assert told["left_over"] == []
    assert told["loaded"] + len(told["not_in_checkpoint"]) + len(told["of_another_shape"]) == len(own)


def test_too_few_tensors_are_refused_with_the_ways_out(saved: tuple[Path, dict]):
    path, _ = saved
    run, model = model_of("model.neck_channels=16")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(CheckpointError) as refused:
        load_initial_weights(model, run.model, path)
    first, *rest = str(refused.value).splitlines()
    assert first == f"init_from={path} fits only 126 of 158 tensors of this model, less than 90%"
    assert rest[0].startswith(
        "  different shape: neck.lateral.0.weight ((8, 64, 1, 1) there, (16, 64, 1, 1) here)"
    )
    assert rest[0].endswith(" and 27 more")
    assert rest[1:] == [
        "  options that differ: neck_channels=8 there, 16 here",
        "  build the model of the file: model.neck_channels=8",
        "  load the tensors that fit, and train the rest from random weights: init_from.partial=true",
        "  use other weights: ocr-train describe model dbnet lists them",
    ]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_nine_tenths_of_another_model_are_enough(saved: tuple[Path, dict]):
    # DBNet++ has all tensors of DBNet, and a few more.
    run, model = model_of("model=dbnetpp")
    report = load_initial_weights(model, run.model, saved[0])
    assert len(report.loaded) == 158
    assert {name.split(".")[1] for name in report.fresh} == {"look", "attention"}


def test_the_architecture_is_taken_from_the_checkpoint(
    saved: tuple[Path, dict], capsys: pytest.CaptureFixture[str]
):
    path, _ = saved
    words = [word for word in SMALL if "neck_channels" not in word]
    run = take_architecture(compose([*words, f"init_from={path}", "model.size=96"]))
    assert (run.model.neck_channels, run.model.size) == (8, 96)  # only what decides the tensors is taken
    assert run.init_from.explicit == []
    assert capsys.readouterr().err == f"ocr-train: from {path}: model.neck_channels=8\n"
    # What the run sets stays: in an override, also to the default, or in a file.
    assert (
        take_architecture(
            compose([*SMALL, f"init_from={path}", "model.neck_channels=256"])
        ).model.neck_channels
        == 256
    )
    saved_run = plain(compose([*words, f"init_from={path}", "model.neck_channels=32"]))
    assert take_architecture(compose([], saved_run)).model.neck_channels == 32
    # Equal options are not worth a line.
    take_architecture(compose([*SMALL, f"init_from={path}"]))
    assert capsys.readouterr().err == ""


def test_a_backbone_is_taken_with_its_options(tmp_path: Path):
    run, model = model_of("model.backbone.name=resnet34")
    path = tmp_path / "r34.ckpt"
    state = {f"model.{name}": value for name, value in model.state_dict().items()}
    files.write({"state_dict": state, "ocr_trainer": {"format": FORMAT, "config": plain(run)}}, path)
    begun = take_architecture(compose([*SMALL, f"init_from={path}"]))
    assert begun.model == run.model
    chosen = take_architecture(compose([*SMALL, f"init_from={path}", "model.backbone.name=resnet18"]))
    assert chosen.model.backbone.name == "resnet18"
    _, model = model_of()
    # Every tensor of the smaller network has its namesake in the larger one: that makes no sense of them.
    with pytest.raises(CheckpointError) as refused:
        load_initial_weights(model, chosen.model, path)
    said = str(refused.value)
    assert said.startswith(
        f"init_from={path} has another architecture (backbone), although 158 of 158 tensors fit\n"
    )
    assert "\n  build the model of the file: model.backbone.name=resnet34\n" in said
    assert len(load_initial_weights(model, chosen.model, path, partial=True).loaded) == 158


def test_a_narrow_backbone_and_one_from_before_it_could_be(tmp_path: Path):
    run, model = model_of("model.backbone.width=8")
    state = {f"model.{name}": value for name, value in model.state_dict().items()}
    config, path = plain(run), tmp_path / "narrow.ckpt"
    files.write({"state_dict": state, "ocr_trainer": {"format": FORMAT, "config": config}}, path)
    assert take_architecture(compose([*SMALL, f"init_from={path}"])).model.backbone.width == 8
    # A checkpoint from before there was the option does not say how wide it is: its tensors do.
    del config["model"]["backbone"]["width"]
    files.write({"state_dict": state, "ocr_trainer": {"format": FORMAT, "config": config}}, path)
    assert take_architecture(compose([*SMALL, f"init_from={path}"])).model.backbone.width == 64
    assert len(load_initial_weights(model, run.model, path).loaded) == 158


def test_a_checkpoint_of_another_model_takes_no_options(saved: tuple[Path, dict]):
    words = [word for word in SMALL if "neck_channels" not in word and word != "model=dbnet"]
    run = take_architecture(compose(["model=dbnetpp", *words, f"init_from={saved[0]}"]))
    assert run.model.neck_channels == 256


@pytest.mark.parametrize(
    ("words", "path", "partial"),
    [
        (["init_from=a.ckpt"], "a.ckpt", False),
        (["init_from.path=a.ckpt", "init_from.partial=true"], "a.ckpt", True),
        (["init_from.partial=true", "init_from=a.ckpt"], "a.ckpt", True),
        (["init_from={path:a.ckpt,partial:true}"], "a.ckpt", True),
        (["init_from=a.ckpt", "init_from=null"], None, False),
        (["experiment=mine", "init_from.partial=true"], "b.ckpt", True),
    ],
)
def test_a_file_alone_is_short_for_the_path(
    words: list[str], path: str | None, partial: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    for name in ("a.ckpt", "b.ckpt"):
        Path(name).touch()
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("# @package _global_\ninit_from: b.ckpt\n")
    runs: list[RunConfig] = []
    run_hydra(runs.append, pytest.fail, ["--config-dir", str(tmp_path), *SMALL, *words])
    assert runs[0].init_from == InitFromConfig(
        path and Path(path), partial, ["neck_channels"] if path else []
    )


def test_the_path_of_earlier_versions_is_read():
    saved = plain(compose(SMALL))
    assert upgrade({**saved, "init_from": "a.ckpt"})["init_from"] == {"path": "a.ckpt"}
    assert upgrade({**saved, "init_from": None})["init_from"] == {"path": None}
    assert compose([], upgrade({**saved, "init_from": None})) == compose(SMALL)


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path):
    run, model = model_of()
    path = tmp_path / "else.ckpt"
    files.write(
        {"state_dict": {"model.x": torch.ones(1)}, "ocr_trainer": {"format": FORMAT, "config": plain(run)}},
        path,
    )
    with pytest.raises(CheckpointError, match="does not fit this model: 0 of"):
        load_initial_weights(model, run.model, path)


def test_a_checkpoint_that_is_not_there_is_refused_before_torch():
    with pytest.raises(ConfigError, match=r"init_from=nowhere.ckpt: the file does not exist"):
        compose([*SMALL, "init_from=nowhere.ckpt"])


def test_a_run_goes_on_from_another_one_s_weights(cli: Cli, tmp_path: Path):
    first = cli(*SMALL, "exp_name=a")
    assert first.returncode == 0, first.stderr
    (checkpoint,) = tmp_path.glob("runs/a/*/checkpoints/last.ckpt")
    words = [word for word in SMALL if "neck_channels" not in word]
    done = cli(*words, "exp_name=b", f"init_from={checkpoint}", "model.binarize_threshold=0.2")
    assert done.returncode == 0, done.stderr
    assert f"ocr-train: from {checkpoint}: model.neck_channels=8\n" in done.stderr
    (config,) = tmp_path.glob("runs/b/*/config.yaml")
    assert "  neck_channels: 8\n" in config.read_text(encoding="utf-8")
    assert "158 of 158 tensors loaded from" in done.stderr
    assert "binarize_threshold=0.3 there, 0.2 here" in done.stderr
    (report,) = tmp_path.glob("runs/b/*/report.json")
    told = json.loads(report.read_text(encoding="utf-8"))["init_from"]
    assert told["checkpoint"] == str(checkpoint)
    assert told["not_in_checkpoint"] == told["of_another_shape"] == told["left_over"] == []
    # Nobody needs the first checkpoint once the second is there.
    checkpoint.unlink()
    (second,) = tmp_path.glob("runs/b/*/checkpoints/last.ckpt")
    assert cli("test", str(second), "dataset.test_pages=1").returncode == 0


def test_text_too_small_to_be_learned_is_noted(cli: Cli, tmp_path: Path):
    done = cli(*SMALL, "model.min_text_size=500")
    assert done.returncode == 0, done.stderr
    assert "but none of them is in the targets" in done.stdout
    (report,) = tmp_path.glob("runs/default/*/report.json")
    assert len(json.loads(report.read_text(encoding="utf-8"))["notes"]) == 1


@pytest.mark.parametrize(
    ("size", "targets", "said"),
    [
        ((64, 80), {"map": torch.zeros(2, 3)}, "images of 80 x 64 pixels: the model needs multiples of 32"),
        ((64, 64), {}, "the model's encode returns no targets"),
        ((64, 64), {"map": torch.zeros(3, 3)}, "the target 'map' has 3 rows for 2 images"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(size: tuple[int, int], targets: dict, said: str):
    batch = Batch(torch.zeros(2, 3, *size, dtype=torch.uint8), targets)
    with pytest.raises(DataError, match=said):
        DetectionTask(model_of()[1], model_of()[0], Path(), 2).check_batch(batch)


@pytest.mark.slow
def test_one_batch_is_learned_by_heart(cli: Cli):
    done = cli("overfit", *SMALL, "model.neck_channels=64", "optimizer.lr=3e-3", "--steps", "200")
    assert done.returncode == 0, done.stderr + done.stdout
    last = done.stdout.splitlines()[-1]
    assert last.startswith("learned: loss ")
    first, end = (float(last.split()[place]) for place in (2, 4))
    assert end <= 0.1 * first


def test_that_it_cannot_is_told(cli: Cli):
    done = cli("overfit", *SMALL, "optimizer.lr=1e-9", "--steps", "3")
    assert done.returncode == 1
    assert "ocr-train: not learned: loss " in done.stderr
    assert "optimizer.lr=1e-09" in done.stderr


def test_pages_without_text_are_told(cli: Cli, tmp_path: Path):
    import cv2

    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.zeros((64, 64, 3), np.uint8))
        (tmp_path / f"{number}.txt").write_text("")
    words = [word for word in SMALL if not word.startswith("dataset.")]
    done = cli("overfit", *words, "dataset=sroie", f"dataset.root={tmp_path}", "dataset.val_share=0")
    assert done.returncode == 2
    assert "have no text to learn" in done.stderr
