"""Backbones are plugins among the options of a model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.fakes import install, visible
from ocr_trainer_dbnet.model import DBNet
from ocr_trainer_dbnet.plugin import DBNetConfig, ResNetConfig

from ocr_trainer.config.compose import compose
from ocr_trainer.config.schema import plain
from ocr_trainer.engine.report import used_plugins
from ocr_trainer.errors import ConfigError, PluginBroken, PluginDenied, PluginNotFound
from ocr_trainer.plugin import BackboneConfig, Context, Task
from ocr_trainer.tasks.detection.backbone import build_backbone

CONTEXT = Context(task=Task.detection)
SOURCE = """
from ocr_trainer.plugin import BackboneConfig, BackbonePlugin
one, two, three, four = (
    BackbonePlugin(api=1, summary="stripes", config=BackboneConfig, factory=f"acme_stripes:make_{name}")
    for name in ("one", "two", "three", "four")
)

def __getattr__(name):
    from torch import nn
    from torch.nn.functional import avg_pool2d
    from ocr_trainer.tasks.detection import Backbone

    class Stripes(Backbone):
        channels = (3, 3, 3, 3)
        strides = (4, 8, 16, 32)

        def forward(self, x):
            return [avg_pool2d(x, stride) for stride in self.strides]

    class Coarse(Stripes):
        strides = (8, 16, 32, 64)

    class Failing(Stripes):
        def forward(self, x):
            raise ZeroDivisionError("no stripes")

    made = {"make_one": Stripes, "make_two": Coarse, "make_three": Failing, "make_four": nn.Identity}
    if name not in made:
        raise AttributeError(name)
    return lambda config, context: made[name]()
"""


@pytest.fixture
def acme(tmp_path: Path) -> Iterator[None]:
    """A distribution with one good backbone and three broken ones."""
    with visible(tmp_path / "site") as site:
        names = "".join(f"{name} = {{}}:{name}\n" for name in ("one", "two", "three", "four"))
        install(site, "acme-stripes", f"[ocr_trainer.backbones]\n{names}", SOURCE)
        yield


@pytest.mark.parametrize("words", ["model.backbone=resnet50", "model.backbone.name=resnet50"])
def test_the_name_alone_is_enough(words: str):
    run = compose([words])
    assert run.model.backbone == ResNetConfig("resnet50")
    assert plain(run)["model"]["backbone"] == {"name": "resnet50", "weights": None, "width": 64}
    assert {"resnet50", "dbnet"} <= {plugin["name"] for plugin in used_plugins(run)}


@pytest.mark.parametrize(
    "backbone", ["resnet34", {"name": "resnet34"}, {"name": "resnet34", "weights": None}]
)
def test_saved_configurations_compose_to_the_same_run(backbone: Any):
    run = compose(["model.backbone.name=resnet34"])
    saved = plain(run)
    assert compose([], saved | {"model": saved["model"] | {"backbone": backbone}}) == run


def test_a_variant_reaches_the_plugin():
    run = compose(["model.backbone.name=timm/convnext_tiny", "model.backbone.weights=timm/convnext_tiny"])
    assert run.model.backbone.model == "convnext_tiny"
    assert compose([], plain(run)) == run
    with pytest.raises(ConfigError, match="choose one of timm's models"):
        compose(["model.backbone.name=timm"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("model.backbone.name=resnet19", "Did you mean 'resnet18'"),
        ("model.backbone=convnext_tiny", "no backbone plugin named 'convnext_tiny' is installed"),
        ("model.backbone=resnet18/tiny", "'resnet18' has no variants"),
    ],
)
def test_unknown_backbones_are_refused(words: str, message: str):
    with pytest.raises(PluginNotFound, match=message):
        compose([words])


def test_a_denied_backbone_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OCR_TRAIN_DISABLE_PLUGINS", "backbone/resnet18")
    with pytest.raises(PluginDenied, match="the backbone plugin 'resnet18' is denied"):
        compose([])


@pytest.mark.usefixtures("acme")
def test_a_detector_stands_on_the_backbone_of_another_distribution():
    net = DBNet(DBNetConfig(backbone=BackboneConfig("one"), neck_channels=8), CONTEXT)
    assert set(net(torch.zeros(1, 3, 64, 96, dtype=torch.uint8))) == {
        "probability",
        "logits",
        "threshold",
        "binary",
    }


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("two", r"it makes feature maps of the shapes .*, but its channels are \[3, 3, 3, 3\]"),
        ("three", "its forward fails with ZeroDivisionError: no stripes"),
        ("four", "its factory returns a Identity, which cannot be used as a backbone"),
    ],
)
def test_a_broken_backbone_is_named_with_its_distribution(name: str, message: str):
    with pytest.raises(PluginBroken, match=message) as caught:
        build_backbone(BackboneConfig(name), CONTEXT)
    assert "provided by acme-stripes 1.0" in str(caught.value)
