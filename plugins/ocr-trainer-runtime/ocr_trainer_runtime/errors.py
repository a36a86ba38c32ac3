"""The exceptions of the runtime, which are also the root of those of the trainer.

OcrTrainerError     an error of the user: one message
├── ConfigError     an option is wrong
├── DataError       a dataset, an image or an annotation cannot be used
└── ModelError      an exported model cannot be used
"""

from __future__ import annotations


class OcrTrainerError(Exception):
    """Base class of the errors that are shown as a message, without a traceback."""


class ConfigError(OcrTrainerError):
    """The configuration of a run is wrong or contradicts itself."""


class DataError(OcrTrainerError):
    """A dataset, an image or an annotation cannot be used."""


class ModelError(OcrTrainerError):
    """An exported model cannot be used."""
