"""Models with published weights. Their names are accepted wherever a checkpoint is."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from ocr_trainer.config.tasks import prediction
from ocr_trainer.errors import CheckpointError, ConfigError, PluginError, did_you_mean
from ocr_trainer.plugin import Kind, ModelPlugin, Prediction, Pretrained, discovery

Checkpoint = str | os.PathLike[str]
"""A checkpoint, a run directory, or the name of published weights."""

INSTALL = "pip install 'ocr-trainer[start]'"


def pretrained_models() -> dict[str, tuple[ModelPlugin, Pretrained]]:
    """Return the installed models with published weights, by name; skip broken plugins."""
    found = {}
    for name in discovery.names(Kind.model):
        with suppress(PluginError):
            description = discovery.load_model(name)
            if description.pretrained is not None:
                found[name] = (description, description.pretrained)
    return found


def default_weights() -> str:
    """Return the name of the published weights to use if no checkpoint is given.

    Raises:
        ConfigError: No published weights are installed, or more than one set.
    """
    names = sorted({weights.name for _, weights in pretrained_models().values()})
    if not names:
        raise ConfigError(
            "no checkpoint is named, and no model with published weights is installed\n"
            f"  name a checkpoint, or install published weights: {INSTALL}"
        )
    if len(names) > 1:
        raise ConfigError(f"no checkpoint is named: name one, or published weights: {', '.join(names)}")
    return names[0]


def resolve(
    checkpoint: Checkpoint | None, recognizer: Checkpoint | None
) -> tuple[Checkpoint, Checkpoint | None]:
    """Replace the names of published weights with the names of the models that have them.

    Args:
        checkpoint: A detector or a recognizer; None for the default weights.
        recognizer: The recognizer for the texts that a detector finds, or None. If `checkpoint` names weights
            of both, their recognizer is used by default.

    Raises:
        ConfigError: No checkpoint is given, and there are no default weights.
    """
    if checkpoint is None:
        checkpoint = default_weights()
    if all(given is None or Path(given).exists() for given in (checkpoint, recognizer)):
        return checkpoint, recognizer
    models = {
        (weights.name, prediction(description.task)): name
        for name, (description, weights) in pretrained_models().items()
    }
    finds = models.get((str(checkpoint), Prediction.regions))
    reads = models.get((str(checkpoint if recognizer is None else recognizer), Prediction.text))
    if finds is None and recognizer is None:
        return reads or checkpoint, None
    return finds or checkpoint, reads or recognizer


def find_pretrained(name: str) -> Pretrained:
    """Return the published weights of a model.

    Raises:
        CheckpointError: No model has published weights of that name, or several models have.
    """
    models = pretrained_models()
    if name in models:
        return models[name][1]
    if several := [model for model, (_, weights) in models.items() if weights.name == name]:
        raise CheckpointError(f"{name} names the weights of several models: choose {' or '.join(several)}")
    if Path(name).suffix or Path(name).parent != Path():
        raise CheckpointError(f"there is no checkpoint {name}")
    known = sorted({*models, *(weights.name for _, weights in models.values())})
    listed = f"published weights: {', '.join(known)}" if known else f"for published weights: {INSTALL}"
    raise CheckpointError(f"there is no checkpoint {name}.{did_you_mean(name, known)}\n  {listed}")
