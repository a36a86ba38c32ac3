"""Read the checkpoints that a caller passes, and compose the configurations in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_trainer.api.pretrained import Checkpoint, find_pretrained
from ocr_trainer.config.tasks import prediction
from ocr_trainer.errors import CheckpointError, ConfigError
from ocr_trainer.plugin import Prediction, Task, discovery

if TYPE_CHECKING:
    from ocr_trainer.config.schema import RunConfig

TRAINING = ("callback", "optimizer", "schedule")
"""Sections of plugins that only training needs, which may not be installed where a checkpoint is used."""
NO_SCORES = ("logger=[]", "metric=[]", "checkpoint.monitor=null")
PREFIX = "recognizer."
"""Prefix of overrides for the model of the recognizer."""


class SwappedError(CheckpointError):
    """Detector and recognizer are swapped; the last line of the message shows how to correct it."""


@dataclass(frozen=True)
class Saved:
    """A checkpoint."""

    path: Path
    content: dict[str, Any]

    @property
    def model(self) -> str:
        """The name of its model."""
        return str(self.content["ocr_trainer"]["config"]["model"]["name"])

    @property
    def task(self) -> Task:
        """The task of its model.

        Raises:
            PluginError: The plugin of the model is missing.
        """
        description = discovery.load_model(self.model)
        return description.task

    @property
    def prediction(self) -> Prediction | None:
        """What its model predicts for an image: regions, a text, or None for anything else."""
        return prediction(self.task)

    @property
    def does(self) -> str:
        """What its model does and its name, for messages."""
        does = {
            Prediction.regions: "finds text",
            Prediction.text: "reads text",
            None: f"does {self.task.value}, and neither finds nor reads text",
        }
        return f"{does[self.prediction]}: model={self.model}"

    def compose(self, overrides: Sequence[str]) -> RunConfig:
        """Compose the configuration in the checkpoint, with overrides on top."""
        from ocr_trainer.config.compose import compose

        return compose(overrides, self._config())

    def compose_model(self, overrides: Sequence[str]) -> RunConfig:
        """Compose only what the model needs: without data, scores and the plugins for training."""
        from ocr_trainer.config.compose import compose

        return compose([*NO_SCORES, *overrides], self._config(), without_data=True)

    def _config(self) -> dict[str, Any]:
        """Return the saved configuration without the plugins that only training needs."""
        saved = self.content["ocr_trainer"]["config"]
        config = {key: value for key, value in saved.items() if key not in TRAINING}
        if "steps" in config.get("augment", {}):
            config["augment"] = {**config["augment"], "steps": {}}
        return config


def open_checkpoint(path: Checkpoint) -> Saved:
    """Read a checkpoint, or the best one of a run directory, or load a model with published weights.

    Raises:
        CheckpointError: It is missing, damaged, or not written by ocr-train.
    """
    file = Path(path)
    if file.is_dir():
        file = _best_in(file)
    elif not file.is_file():
        return _published(str(path))
    from ocr_trainer.checkpoint.read import read

    return Saved(file, read(file))


def _published(model: str) -> Saved:
    """Return a model with its published weights."""
    weights = find_pretrained(model)
    from ocr_trainer.config.compose import compose

    run = compose([f"model={model}", *weights.overrides, *NO_SCORES], without_data=True)
    from ocr_trainer.evaluation.published import published_checkpoint

    return Saved(Path(model), published_checkpoint(run))


def _best_in(folder: Path) -> Path:
    for name in ("best.ckpt", "last.ckpt"):
        if (file := folder / "checkpoints" / name).is_file():
            return file
    raise CheckpointError(
        f"{folder} is a folder without a checkpoint\n"
        "  give a .ckpt file, or a run directory, which has checkpoints/best.ckpt"
    )


def open_checkpoints(first: Checkpoint, recognizer: Checkpoint | None) -> tuple[Saved, Saved | None]:
    """Read a checkpoint and, if given, that of the recognizer; refuse them if they are swapped.

    Raises:
        CheckpointError: One is missing, damaged, not written by ocr-train, or of the wrong task.
        SwappedError: They are swapped.
    """
    if recognizer is None:
        return open_checkpoint(first), None
    pair = open_checkpoint(first), open_checkpoint(recognizer)
    predictions = [saved.prediction for saved in pair]
    if predictions == [Prediction.regions, Prediction.text]:
        return pair
    message = "the first checkpoint must find text, and that of recognizer= must read it, but"
    for given, saved in zip((first, recognizer), pair, strict=True):
        message += f"\n  {given} {saved.does}"
    swapped = predictions == [Prediction.text, Prediction.regions]
    raise SwappedError(message) if swapped else CheckpointError(message)


def split_overrides(
    words: Sequence[str], recognizer: object | None, margin: float | None
) -> tuple[list[str], list[str]]:
    """Split overrides into those of the run and those of the recognizer's model.

    Args:
        words: Overrides; `recognizer.KEY=VALUE` sets an option of the recognizer's model.
        recognizer: The recognizer, or None.
        margin: The margin around a text, as a fraction of its height, or None.

    Raises:
        ConfigError: There are options of a recognizer without one, or the margin is out of range.
    """
    own = [word for word in words if word.lstrip("+~").startswith(PREFIX)]
    if recognizer is None and (own or margin is not None):
        raise ConfigError(f"{own[0] if own else 'margin='} needs a recognizer: add recognizer=CKPT")
    if margin is not None and not 0 <= margin <= 1:
        raise ConfigError(f"margin= must be at least 0 and at most 1, not {margin:g}")
    return [word for word in words if word not in own], [
        f"model.{word.lstrip('+~').removeprefix(PREFIX)}" for word in own
    ]
