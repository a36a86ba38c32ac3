"""Frozen parts of a model: neither their parameters nor their statistics change."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from ocr_trainer.config.compose import compose
from ocr_trainer.config.context import run_context
from ocr_trainer.engine.build import build_model
from ocr_trainer.errors import ConfigError
from ocr_trainer.optim.freeze import freeze
from ocr_trainer.optim.groups import parameter_groups
from ocr_trainer.tasks.detection.task import DetectionTask


def tower() -> nn.Module:
    model = nn.Sequential()
    for name in ("stem", "stem2", "head"):
        layers = nn.Sequential(nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3), nn.Dropout(0.5))
        model.add_module(name, layers)
    return model


def test_frozen_parts_stay_as_they_are_and_the_others_learn():
    model = tower()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    frozen = freeze(model, ["stem", "head.0.bias"])
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1.0)
    for _ in range(2):
        optimizer.zero_grad()
        model(torch.randn(2, 3, 12, 12)).square().mean().backward()
        optimizer.step()
    same = {name for name, value in model.state_dict().items() if torch.equal(value, before[name])}
    assert same == {name for name in before if name.startswith("stem.")} | {"head.0.bias"}
    assert [module for module in frozen if not list(module.children())] == list(model.get_submodule("stem"))
    assert not any(module.training for module in frozen)
    assert model.get_submodule("head").training


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (
            ["stam"],
            r"optimizer\.freeze=stam: the model has no such part with weights\. Did you mean 'stem'\?\n",
        ),
        (["stem.2"], "optimizer.freeze=stem.2: the model has no such part with weights"),
        ([""], "no such part with weights"),
        (["stem", "stem2", "head"], "optimizer.freeze leaves nothing to train"),
    ],
)
def test_wrong_parts_are_refused(parts: list[str], said: str):
    with pytest.raises(ConfigError, match=said):
        freeze(tower(), parts)


def test_training_keeps_frozen_parts_in_evaluation_mode(tmp_path: Path):
    run = compose(
        ["model=dbnet", "model.neck_channels=8", "dataset=synthetic", "optimizer.freeze=[backbone.layer1]"]
    )
    task = DetectionTask(build_model(run, run_context(run, tmp_path)), run, tmp_path, 1)
    for _ in range(2):
        layer1, layer2 = (task.model.backbone.get_submodule(name) for name in ("layer1", "layer2"))
        assert not any(module.training for module in layer1.modules())
        assert all(module.training for module in layer2.modules())
        task.eval().train()
    trained = {id(p) for group in parameter_groups(task.model, run) for p in group["params"]}
    assert trained.isdisjoint(map(id, layer1.parameters()))
    assert trained.issuperset(map(id, layer2.parameters()))
