"""`augment` takes a preset, plugins, or a list of both, in order."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import fakes

from ocr_trainer.config.compose import compose
from ocr_trainer.config.schema import plain
from ocr_trainer.errors import ConfigError, PluginDenied, PluginError
from ocr_trainer.plugin import Stage, allowlist
from ocr_trainer.tasks.detection.config import AugmentConfig, DetectionConfig

SOURCE = """\
from ocr_trainer.plugin import AugmentationConfig, AugmentationPlugin, Task
one = AugmentationPlugin(
    api=1, summary="x", config=AugmentationConfig, tasks=(Task.detection, Task.recognition), factory="a:b"
)
"""


@pytest.fixture
def acme(tmp_path: Path) -> Path:
    """A distribution with an augmentation for both tasks."""
    fakes.install(tmp_path, "acme", "[ocr_trainer.augmentations]\nfog = {}:one\nrain = {}:one\n", SOURCE)
    return tmp_path


def detection(*overrides: str) -> DetectionConfig:
    run = compose(["model=dbnet", *overrides])
    assert isinstance(run, DetectionConfig)
    return run


def stages(*overrides: str) -> list[tuple[str, str]]:
    """Return the plugins in order, each with its stage."""
    return [(name, step.stage.name) for name, step in detection(*overrides).augment.steps.items()]


@pytest.mark.parametrize("name", ["none", "light", "strong", "authors"])
def test_a_preset_alone_or_in_a_list_is_the_same(name: str):
    assert detection(f"augment={name}").augment == detection(f"augment=[{name}]").augment
    assert not detection(f"augment={name}").augment.steps


def test_the_place_in_the_list_decides_before_or_after_the_preset(acme: Path):
    with fakes.visible(acme):
        assert stages("augment=[rain,strong,fog,copy_paste]") == [
            ("rain", "before"),
            ("fog", "after"),
            ("copy_paste", "after"),
        ]
        chosen = detection("augment=[rain,strong,fog]", "augment.steps.rain.stage=after").augment
        assert (chosen.crop, chosen.steps["rain"].stage) == (640, Stage.after)


def test_a_list_without_a_preset_has_the_defaults_and_the_stage_of_each_plugin(acme: Path):
    with fakes.visible(acme):
        for overrides in (["augment=[fog]"], ["augment=fog"]):
            augment = detection(*overrides).augment
            assert stages(*overrides) == [("fog", "before")]
            assert {**vars(augment), "steps": {}} == vars(AugmentConfig())
        assert stages("augment=[]") == []


def test_a_plugin_is_named_by_its_distribution_but_its_options_are_not(acme: Path):
    with fakes.visible(acme):
        assert stages("augment=[strong,acme:fog]") == [("fog", "after")]


def test_a_saved_run_composes_to_the_same_augmentation(acme: Path):
    with fakes.visible(acme):
        run = detection("augment=[rain,strong,copy_paste]", "augment.steps.copy_paste.probability=0.25")
        again = compose([], plain(run))
        assert plain(again) == plain(run)
        assert list(again.augment.steps) == ["rain", "copy_paste"]
        changed = compose(["augment.steps.copy_paste.max_texts=3"], plain(run))
        assert changed.augment.steps["copy_paste"].max_texts == 3
        assert not compose(["augment=light"], plain(run)).augment.steps


def test_a_run_that_was_saved_without_steps_composes():
    saved = plain(detection("augment=strong"))
    del saved["augment"]["steps"]
    assert compose([], saved).augment == detection("augment=strong").augment


def test_an_experiment_takes_a_list(tmp_path: Path, acme: Path, cli):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /augment: [copy_paste, strong]\n"
        "augment:\n  steps:\n    copy_paste:\n      max_texts: 2\n",
        encoding="utf-8",
    )
    done = cli("check", "--config-dir", str(tmp_path), "experiment=mine")
    assert done.returncode == 0, done.stderr
    assert "    copy_paste:\n      name: copy_paste\n      stage: before\n" in done.stdout
    assert "      max_texts: 2\n" in done.stdout


def test_a_preset_of_the_users_own_counts_as_one(tmp_path: Path, cli):
    (tmp_path / "augment").mkdir()
    (tmp_path / "augment" / "mine.yaml").write_text("crop: 320\n", encoding="utf-8")
    done = cli("check", "--config-dir", str(tmp_path), "augment=[mine,copy_paste]")
    assert done.returncode == 0, done.stderr
    assert "  crop: 320\n" in done.stdout
    assert "      stage: after\n" in done.stdout
    done = cli("check", "--config-dir", str(tmp_path), "augment=[mine,light]")
    assert "augment=[mine,light] has 2 presets" in done.stderr


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["augment=[strong,copy_paste,light]"], "augment=[strong,light] has 2 presets: choose one of them; a list takes one preset and any number of plugins"),
        (["augment=[copy_past]"], "there is no augment 'copy_past'. Did you mean 'copy_paste'?\n    available: "),
        (["augment=strnog"], "there is no augment 'strnog'. Did you mean 'strong'?\n    available: "),
        (["augment=copy_paste", "model=crnn"], "model=crnn does recognition, but augment.steps.copy_paste is for detection: leave it out"),
        (["augment=copy_paste", "augment.steps.copy_paste.probability=2"], "augment.steps.copy_paste.probability must be at least 0 and at most 1, not 2"),
        (["augment=copy_paste", "augment.steps.copy_paste.scale=[2,1]"], "augment.steps.copy_paste: scale must be [lowest, highest], not [2.0, 1.0]"),
        (["augment=copy_paste", "augment.steps.copy_paste.stage=middle"], "augment.steps.copy_paste.stage"),
        (["augment=[copy_paste]", "augment.steps.copy_paste.probabilty=1"], "there is no option 'augment.steps.copy_paste.probabilty'"),
    ],
)  # fmt: skip
def test_each_mistake_is_refused_before_torch(overrides: list[str], said: str):
    with pytest.raises((ConfigError, PluginError)) as caught:
        compose(["model=dbnet", *overrides])
    assert said in str(caught.value)


def test_a_denied_augmentation_is_refused():
    try:
        allowlist.restrict(deny=["augmentation/copy_paste"])
        with pytest.raises(PluginDenied, match="the augmentation plugin 'copy_paste' is denied"):
            detection("augment=[copy_paste]")
    finally:
        allowlist.restrict()
