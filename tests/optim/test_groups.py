"""Parameter groups: the default ones, those of layer decay, and those that a model defines."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from ocr_trainer.config.compose import compose
from ocr_trainer.config.schema import RunConfig
from ocr_trainer.errors import ConfigError, PluginBroken
from ocr_trainer.optim.groups import parameter_groups


def run(*words: str) -> RunConfig:
    return compose(
        [
            "model=dbnet",
            "dataset=synthetic",
            "logger=[]",
            "optimizer.weight_decay=0.3",
            "optimizer.lr=1",
            *words,
        ]
    )


class Tower(nn.Module):
    """A stem, blocks and a head, as a vision transformer has them."""

    def __init__(self, depth: int = 3) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)
        self.position = nn.Parameter(torch.zeros(1, 4))
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4)) for _ in range(depth))
        self.head = nn.Linear(4, 2)

    def layers_by_depth(self) -> list[list[nn.Parameter]]:
        return [
            [*self.stem.parameters(), self.position],
            *(list(block.parameters()) for block in self.blocks),
        ]


def ids(parameters: Any) -> list[int]:
    return [id(parameter) for parameter in parameters]


@pytest.mark.parametrize("decay_norms", [False, True])
def test_the_default_groups_are_those_of_old_checkpoints(decay_norms: bool):
    model = Tower()
    groups = parameter_groups(model, run(f"optimizer.decay_norms={decay_norms}"))
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    expected = [(list(model.parameters()), 0.3)] if decay_norms else [(matrices, 0.3), (vectors, 0.0)]
    assert [set(group) for group in groups] == [{"params", "weight_decay", "lr"}] * len(expected)
    assert [(ids(g["params"]), g["weight_decay"]) for g in groups] == [(ids(ps), wd) for ps, wd in expected]


def test_frozen_parameters_are_left_out_and_no_group_is_empty():
    model = Tower()
    for parameter in model.parameters():
        parameter.requires_grad = parameter.ndim <= 1
    (group,) = parameter_groups(model, run())
    assert ids(group["params"]) == ids(p for p in model.parameters() if p.ndim <= 1)


RUN = run()
"""Composed once: hypothesis asks for many."""


@given(st.integers(0, 12), st.sampled_from([0.5, 0.65, 0.75, 0.9]))
def test_layer_decay_gives_the_rates_of_beit(depth: int, decay: float):
    # BEiT's LayerDecayValueAssigner: decay ** (layers + 1 - id), where the embeddings have id 0, block k has
    # id k + 1 and the head has id layers + 1.
    model = Tower(depth)
    groups = parameter_groups(model, replace(RUN, optimizer=replace(RUN.optimizer, layer_decay=decay)))
    scales = {id(p): g["lr"] for g in groups for p in g["params"]}
    beit = [decay ** (depth + 1 - layer) for layer in range(depth + 2)]
    for name, parameter in model.named_parameters():
        kind, _, rest = name.partition(".")
        layer = {"stem": 0, "position": 0, "head": depth + 1}.get(kind)
        expected = beit[int(rest.split(".")[0]) + 1 if layer is None else layer]
        assert scales[id(parameter)] == pytest.approx(expected)


def test_layer_decay_splits_each_layer_by_weight_decay_from_the_head_down():
    groups = parameter_groups(Tower(1), run("optimizer.layer_decay=0.5"))
    assert [(g["lr"], g["weight_decay"], len(g["params"])) for g in groups] == [
        (1.0, 0.3, 1),
        (1.0, 0.0, 1),
        (0.5, 0.3, 1),
        (0.5, 0.0, 3),
        (0.25, 0.3, 2),
        (0.25, 0.0, 1),
    ]


def test_layer_decay_needs_layers():
    with pytest.raises(
        ConfigError, match=r"layer_decay=0\.5 needs a model that defines its layers, and dbnet"
    ):
        parameter_groups(nn.Linear(2, 2), run("optimizer.layer_decay=0.5"))


class Own(Tower):
    """A model with groups of its own."""

    def __init__(self, groups: Any = None) -> None:
        super().__init__(1)
        self.groups = groups

    def parameter_groups(self, config: Any) -> Any:
        if self.groups is not None:
            return self.groups(self)
        backbone = [p for name, p in self.named_parameters() if not name.startswith("head")]
        return [
            {"params": backbone, "lr_scale": 0.1},
            {"params": list(self.head.parameters()), "weight_decay": config.weight_decay / 3},
        ]


def test_a_model_may_define_its_groups():
    model = Own()
    model.position.requires_grad = False
    groups = parameter_groups(model, run())
    assert [(g["lr"], g["weight_decay"], len(g["params"])) for g in groups] == [
        (0.1, 0.3, 2),
        (0.1, 0.0, 4),
        (1.0, pytest.approx(0.1), 2),  # also of the bias: the model says so
    ]


def test_layer_decay_multiplies_the_scales_of_the_model():
    groups = parameter_groups(Own(), run("optimizer.layer_decay=0.5"))
    assert [g["lr"] for g in groups] == pytest.approx([0.05, 0.05, 0.025, 0.025, 1.0])


def every(model: nn.Module) -> list[nn.Parameter]:
    return list(model.parameters())


WRONG = {
    "must return a list of dicts, not generator": lambda m: (g for g in []),
    "must return dicts with 'params', not Linear": lambda m: [m.head],
    "must return groups whose 'params' is a list of parameters": lambda m: [{"params": m.head.weight}],
    "returns a group with lr; a group has lr_scale, params, weight_decay": lambda m: [
        {"params": every(m), "lr": 1}
    ],
    "returns a group with lr_scale=0; it must be a number above 0": lambda m: [
        {"params": every(m), "lr_scale": 0}
    ],
    "returns a group with weight_decay=nan; it must be a number at least 0": lambda m: [
        {"params": every(m), "weight_decay": float("nan")}
    ],
    "leaves out trainable parameters: stem.weight, stem.bias, blocks.0.0.weight and 5 more": lambda m: [
        {"params": [m.position]}
    ],
    "returns parameters more than once: head.bias": lambda m: [
        {"params": every(m)},
        {"params": [m.head.bias]},
    ],
    "returns parameters that the model does not have: a tensor of shape (2,)": lambda m: [
        {"params": [*every(m), nn.Parameter(torch.zeros(2))]}
    ],
}


@pytest.mark.parametrize("message", WRONG)
def test_groups_that_cannot_be_used_are_refused(message: str):
    with pytest.raises(PluginBroken) as caught:
        parameter_groups(Own(WRONG[message]), run())
    assert str(caught.value).startswith(
        f"the model plugin 'dbnet' cannot be used: its parameter_groups() {message}\n  provided by "
    )


def test_layers_that_are_no_parameters_are_refused():
    model = Tower()
    model.layers_by_depth = lambda: [[torch.zeros(2)]]
    with pytest.raises(PluginBroken, match=r"its layers_by_depth\(\) returns what is no parameter"):
        parameter_groups(model, run("optimizer.layer_decay=0.5"))
