"""The exceptions of ocr-trainer.

OcrTrainerError            an error of the user or of a plugin: one message, exit status 2
├── ConfigError            the configuration of a run is wrong
├── PluginError            a plugin cannot be used
│   ├── PluginNotFound     no plugin of that kind has that name
│   ├── PluginConflict     several distributions provide the name
│   ├── PluginDenied       the user or the environment forbids the plugin
│   └── PluginBroken       the plugin is installed, but cannot be loaded or violates the contract
│       └── CallbackRaised  a callback failed in training; the state before it is saved
├── DataError              a dataset, an image or an annotation cannot be used
├── CheckpointError        a checkpoint cannot be used
├── ExportError            a model cannot be exported, or its export differs from it
├── NumbersError           training produced NaN or infinity
├── ProcessLost            another process of the run ended or hangs
└── MemoryExhausted        out of memory, on the machine or its GPU

All other exceptions keep their traceback.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

# Reading images raises them, too, and the runtime does that without this distribution.
from ocr_trainer_runtime.errors import ConfigError as ConfigError
from ocr_trainer_runtime.errors import DataError as DataError
from ocr_trainer_runtime.errors import OcrTrainerError as OcrTrainerError


class PluginError(OcrTrainerError):
    """A plugin cannot be used."""


class PluginNotFound(PluginError):
    """No installed plugin of the requested kind has the requested name."""


class PluginConflict(PluginError):
    """Several distributions provide the same plugin name."""


class PluginDenied(PluginError):
    """A plugin is installed, but a rule forbids its use."""


class PluginBroken(PluginError):
    """An installed plugin cannot be loaded or violates the plugin contract."""


class CallbackRaised(PluginBroken):
    """A plugin callback raised in training, or did what would end it; the last whole step is saved."""


class CheckpointError(OcrTrainerError):
    """A checkpoint cannot be read or does not fit."""


class ExportError(OcrTrainerError):
    """A model cannot be exported to a format, or its export gives other results than the checkpoint."""


class NumbersError(OcrTrainerError):
    """Training produced a loss or gradient that is not finite."""


class ProcessLost(OcrTrainerError):
    """Another process of the run ended or hangs."""


class MemoryExhausted(OcrTrainerError):
    """The machine or its GPU is out of memory."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the closest match in `known`, or an empty string."""
    nearest = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean '{nearest[0]}'?" if nearest else ""
