"""Which options of a model change its tensors: what its description must name as its architecture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from enum import Enum
from pathlib import Path
from typing import Any

from ocr_trainer.config.validate import validate_options
from ocr_trainer.plugin import Config, ModelPlugin, discovery
from ocr_trainer.testing.plugins import PluginSuite

Shapes = dict[str, tuple[int, ...]]


def check_architecture(suite: PluginSuite, folder: Path) -> None:
    """Assert that each option that changes the tensors of a model is part of its architecture.

    Truth values, enumerations and whole numbers are changed, one at a time, where the options stay valid.
    """
    description = suite.description
    assert isinstance(description, ModelPlugin)
    config = suite.config(suite.run())
    before = tensor_shapes(suite, config, folder)
    for name, value in _changes(config):
        changed = replace(config, **{name: value})
        if name in description.architecture or any(validate_options(changed)):
            continue
        try:
            after = tensor_shapes(suite, changed, folder)
        except Exception:  # noqa: S112  # the factory refuses the value in its own way
            continue
        assert after == before, (
            f"{name}={getattr(value, 'name', value)} changes the tensors of the model: name it in the "
            f"description, architecture=(…, {name!r}), so that init_from takes it from a checkpoint"
        )


def tensor_shapes(suite: PluginSuite, config: Config, folder: Path) -> Shapes:
    """Build a model without memory for its weights, and return the shapes of its tensors by name."""
    import torch

    with torch.device("meta"):
        model = discovery.resolve(suite.kind, suite.name)(config, suite.context(folder))
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


def _changes(config: Config) -> Iterator[tuple[str, Any]]:
    for field in fields(config):
        value = getattr(config, field.name)
        if isinstance(value, bool):
            yield field.name, not value
        elif isinstance(value, int):
            yield field.name, 2 * value
        elif isinstance(value, Enum):
            yield from ((field.name, other) for other in type(value) if other is not value)
