"""`trainer.*` is Lightning's own signature, typed without importing Lightning."""

from __future__ import annotations

import inspect
from dataclasses import fields

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
