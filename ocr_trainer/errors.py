"""What can go wrong, as a tree.

OcrTrainerError            a mistake of the user or of a plugin: one message, exit status 2
├── ConfigError            the run as asked for cannot be
├── PluginError            a plugin cannot serve
│   ├── PluginNotFound     no plugin of that kind has that name
│   ├── PluginConflict     several distributions provide the name
│   ├── PluginDenied       the user or the environment forbids it
│   └── PluginBroken       it is installed, but cannot be loaded or breaks the contract
├── DataError              a dataset, an image or an annotation cannot be used
├── CheckpointError        a checkpoint cannot be used
├── NumbersError           the training came to numbers that are not finite
├── ProcessLost            another process of the run ended or hangs
└── MemoryExhausted        the memory does not suffice

Everything else keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class OcrTrainerError(Exception):
    """A mistake that its message explains: shown without a traceback."""


class ConfigError(OcrTrainerError):
    """The configuration of a run is wrong or contradicts itself."""


class PluginError(OcrTrainerError):
    """A plugin cannot serve."""


class PluginNotFound(PluginError):
    """No plugin of the kind asked for has the name asked for."""


class PluginConflict(PluginError):
    """Several distributions provide the same name."""


class PluginDenied(PluginError):
    """A plugin is installed, but must not be used."""


class PluginBroken(PluginError):
    """An installed plugin cannot be loaded, or does not keep the contract."""


class DataError(OcrTrainerError):
    """A dataset, an image or an annotation cannot be used."""


class CheckpointError(OcrTrainerError):
    """A checkpoint cannot be read or does not fit."""


class NumbersError(OcrTrainerError):
    """The training came to numbers that are not finite."""


class ProcessLost(OcrTrainerError):
    """Another process of the run ended or hangs."""


class MemoryExhausted(OcrTrainerError):
    """The memory of the machine or of its GPU does not suffice."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the nearest known word, or nothing."""
    nearest = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean '{nearest[0]}'?" if nearest else ""
