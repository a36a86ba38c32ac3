"""Steps against torch's own optimizers and against the formulas of the papers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from ocr_trainer_optimizers import lion, muon
from ocr_trainer_optimizers.muon import is_matrix
from ocr_trainer_optimizers.plugin import LionConfig, MuonConfig
from torch import nn

from ocr_trainer.plugin import Context, Task


def context(model: nn.Module, **group: Any) -> Context:
    groups = [{"params": list(model.parameters()), "weight_decay": 0.1, "lr": 0.01, **group}]
    return Context(task=Task.detection, parameter_groups=groups, model=model)


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int = 5) -> list[torch.Tensor]:
    """Take steps with gradients from a seed; return the parameters."""
    generator = torch.Generator().manual_seed(7)
    for _ in range(steps):
        for parameter in model.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        optimizer.step()
    return [p.detach() for p in model.parameters()]


def linear(*shape: int) -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(*shape)


def test_lion_is_program_1_of_the_paper():
    model = linear(4, 3)
    weights = [p.detach().numpy().copy() for p in model.parameters()]
    momenta = [np.zeros_like(w) for w in weights]
    generator = torch.Generator().manual_seed(7)
    for _ in range(5):
        for index, weight in enumerate(weights):
            gradient = torch.randn(weight.shape, generator=generator).numpy()
            update = np.sign(0.8 * momenta[index] + 0.2 * gradient)
            weights[index] = weight - 0.01 * (update + 0.1 * weight)
            momenta[index] = 0.95 * momenta[index] + 0.05 * gradient
    ours = train(model, lion.make(LionConfig(beta1=0.8, beta2=0.95), context(model)))
    for expected, value in zip(weights, ours, strict=True):
        np.testing.assert_allclose(value.numpy(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("match", "theirs"), [(True, "match_rms_adamw"), (False, "original")])
@pytest.mark.parametrize("shape", [(24, 8), (8, 24)])
def test_muon_on_matrices_is_torchs(match: bool, theirs: str, shape: tuple[int, int]):
    ours, reference = linear(*shape), linear(*shape)
    config = MuonConfig(match_adamw=match, momentum=0.9, ns_steps=4)
    optimizer = torch.optim.Muon(
        [reference.weight], lr=0.01, weight_decay=0.1, momentum=0.9, ns_steps=4, adjust_lr_fn=theirs
    )
    value, _ = train(ours, muon.make(config, context(ours)))
    expected, _ = train(reference, optimizer)
    # Both iterate in bfloat16, and sum in another order.
    torch.testing.assert_close(value, expected, atol=5e-4, rtol=0)


def test_other_parameters_are_torchs_adamws():
    ours, reference = nn.BatchNorm2d(5), nn.BatchNorm2d(5)
    optimizer = torch.optim.AdamW(
        reference.parameters(), lr=0.005, betas=(0.8, 0.9), weight_decay=0.1, eps=1e-10
    )
    config = MuonConfig(beta1=0.8, beta2=0.9, adamw_scale=0.5)
    for value, expected in zip(
        train(ours, muon.make(config, context(ours))), train(reference, optimizer), strict=True
    ):
        torch.testing.assert_close(value, expected)


def test_a_convolution_is_the_matrix_of_its_outputs():
    convolution, matrix = nn.Conv2d(4, 16, 3, bias=False), nn.Linear(36, 16, bias=False)
    matrix.weight.data = convolution.weight.detach().reshape(16, 36).clone()
    (first,) = train(convolution, muon.make(MuonConfig(), context(convolution)))
    (second,) = train(matrix, muon.make(MuonConfig(), context(matrix)))
    torch.testing.assert_close(first.reshape(16, 36), second, atol=5e-4, rtol=0)


class Reader(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.depthwise = nn.Conv2d(8, 8, 3, groups=8)
        self.position = nn.Parameter(torch.zeros(1, 6, 8))
        self.text = nn.Embedding(10, 8)
        self.hidden = nn.Linear(8, 8)
        self.head = nn.Linear(8, 10)


def test_which_parameters_muon_optimizes():
    model = Reader()
    names = {parameter: name for name, parameter in model.named_parameters()}
    first, second = muon.make(MuonConfig(), context(model)).param_groups
    assert (first["use_muon"], second["use_muon"]) == (True, False)
    assert [names[p] for p in first["params"]] == ["stem.weight", "hidden.weight"]
    assert {names[p] for p in second["params"]} == {*names.values()} - {"stem.weight", "hidden.weight"}


def test_a_matrix_has_two_axes_and_more_than_one_row_and_column():
    shapes = [(2, 2), (8, 3, 3, 3), (1, 4), (4, 1), (8, 1, 3, 3), (1, 6, 8), (4,), ()]
    assert [is_matrix(nn.Parameter(torch.zeros(shape))) for shape in shapes] == [True] * 2 + [False] * 6


def test_options_reach_the_groups():
    model = Reader()
    config = MuonConfig(adamw=["stem", "head"], adamw_scale=0.1, ns_steps=3)
    matrices, others = muon.make(config, context(model)).param_groups
    assert [tuple(p.shape) for p in matrices["params"]] == [(8, 8)]
    assert (matrices["lr"], matrices["ns_steps"], matrices["weight_decay"]) == (0.01, 3, 0.1)
    assert (others["lr"], others["betas"], others["weight_decay"]) == (pytest.approx(0.001), (0.9, 0.95), 0.1)
