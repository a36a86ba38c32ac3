"""`trainer.*` is Lightning's own signature, typed without importing Lightning."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import Any

import pytest
from lightning.pytorch import Trainer

from ocr_trainer.config.schema import TrainerConfig

OURS = {"logger", "callbacks", "plugins", "default_root_dir"}
"""What the run decides: these take objects, or say where files go."""

OTHER_DEFAULTS = {
    "devices": 1,  # several are asked for, not assumed
    "max_epochs": 10,  # Lightning's 1000 is no run that anybody waits for
    "num_sanity_val_steps": 0,  # the first step comes first
    "log_every_n_steps": 10,  # runs here are short
    "enable_model_summary": False,  # the report has the parameters
    "use_distributed_sampler": False,  # data.Keys already divides the samples
}


def test_every_option_of_lightning_is_there_and_no_other():
    signature = inspect.signature(Trainer.__init__).parameters
    assert {field.name for field in fields(TrainerConfig)} == set(signature) - OURS - {"self"}


def test_defaults_are_lightnings_but_for_the_listed():
    signature = inspect.signature(Trainer.__init__).parameters
    ours = {field.name: field.default for field in fields(TrainerConfig)}
    differing = {name for name, default in ours.items() if default != signature[name].default}
    assert {name: ours[name] for name in differing} == OTHER_DEFAULTS


def test_the_default_options_make_a_trainer():
    options = {field.name: field.default for field in fields(TrainerConfig)}
    Trainer(**options, logger=False)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"min_epochs": 5, "max_epochs": 2}, "min_epochs=5 is more than max_epochs=2"),
        ({"min_steps": 50, "max_steps": 20}, "min_steps=50 is more than max_steps=20"),
        ({"deterministic": "foo"}, "deterministic=foo must be true, false or warn"),
        ({"deterministic": True, "benchmark": True}, "contradicts deterministic=true"),
        ({"gradient_clip_algorithm": "norm"}, "no effect without gradient_clip_val"),
        ({"strategy": "ddp_spawn"}, "use strategy=ddp"),
        ({"strategy": "ddp_fork_find_unused_parameters_true"}, "use strategy=ddp"),
        ({"strategy": "ddp_notebook"}, "use strategy=ddp"),
        ({"profiler": "foo"}, "profiler=foo must be one of: simple, advanced, pytorch"),
        ({"limit_predict_batches": 3}, "limit_predict_batches has no effect"),
        ({"model_registry": "mine"}, "model_registry has no effect"),
        ({"val_check_interval": 0}, "val_check_interval=0 must be at least 1 batch"),
        ({"val_check_interval": 0.0}, "must be at least 1 batch"),
        ({"val_check_interval": -3}, "must be at least 1 batch"),
        ({"val_check_interval": 1.5}, "must be a fraction of an epoch up to 1.0"),
        ({"val_check_interval": True}, "must be a number of batches"),
        ({"val_check_interval": "soon"}, "a time as DD:HH:MM:SS"),
        (
            {"val_check_interval": 0.5, "check_val_every_n_epoch": None},
            "must be an integer number of batches",
        ),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options: dict[str, Any], said: str):
    (error,) = TrainerConfig(**options).validate()
    assert said in error


@pytest.mark.parametrize(
    "options",
    [
        {"min_epochs": 5, "max_epochs": -1, "max_time": "00:01:00:00"},
        {"min_epochs": 2, "max_epochs": 2},
        {"min_steps": 5},
        *({"deterministic": value} for value in (None, True, False, "warn")),
        *({"val_check_interval": value} for value in (1, 0.25, 1.0, "00:00:10:00", None)),
        *({"strategy": value} for value in ("auto", "ddp", "ddp_find_unused_parameters_true", "fsdp")),
    ],
)
def test_options_that_lightning_takes_are_accepted(options: dict[str, Any]):
    assert list(TrainerConfig(**options).validate()) == []
    Trainer(**{name: value for name, value in options.items() if value != "fsdp"}, logger=False)
