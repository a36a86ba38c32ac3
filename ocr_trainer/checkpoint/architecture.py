"""Fine-tuning: give the model of a run the architecture of the weights that it starts from."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ocr_trainer.checkpoint.init_from import architecture_changes, overrides
from ocr_trainer.checkpoint.published import open_initial
from ocr_trainer.config.plugin_options import plugin_config
from ocr_trainer.config.schema import RunConfig, values
from ocr_trainer.errors import CheckpointError, ConfigError
from ocr_trainer.plugin import Kind
from ocr_trainer.runs.run_dir import is_rank_zero
from ocr_trainer_runtime.text.visible import echo


def take_architecture(run: RunConfig) -> RunConfig:
    """Return the run with options of the architecture from the file `init_from`, and print them.

    Options that the run sets are kept; `load_initial_weights` refuses those that the weights do not fit.

    Args:
        run: A validated configuration, before its run directory is created.

    Raises:
        CheckpointError: The checkpoint cannot be read, or its options cannot be used.
        PluginError: The plugin of the model, or of one in it, cannot be used.
    """
    init_from = run.init_from
    if init_from.path is None:
        return run
    initial = open_initial(init_from.path, run.model.name)
    own, theirs = values(run.model), initial.config["model"]
    initial_only = values(run.model.without_init_weights())
    taken = {
        key: _kept(theirs[key], own[key], initial_only[key])
        for key in architecture_changes(initial, run.model)
        if key not in init_from.explicit
    }
    run = replace(run, init_from=replace(init_from, explicit=[]))
    if not taken:
        return run
    options = {key: value for key, value in (own | taken).items() if key != "name"}
    try:
        model = plugin_config(Kind.model, run.model.name, options)
    except ConfigError as error:
        raise CheckpointError(
            f"init_from={init_from.path} has a model that this version cannot build:\n{error}"
        ) from error
    if is_rank_zero():
        words = [word for key in taken for word in overrides(theirs[key], f"model.{key}", own[key])]
        echo(f"ocr-train: from {init_from.path}: {' '.join(words)}", file=sys.stderr)
    return replace(run, model=model)


def _kept(theirs: Any, own: Any, without_weights: Any) -> Any:
    """Return an option of the checkpoint, but keep the initial weights that the run sets in it."""
    if not isinstance(theirs, Mapping) or not isinstance(own, Mapping):
        return theirs
    return {**theirs, **{key: value for key, value in own.items() if value != without_weights.get(key)}}
