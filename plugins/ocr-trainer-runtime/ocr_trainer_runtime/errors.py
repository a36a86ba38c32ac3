"""The errors of the runtime."""

from __future__ import annotations

from ocr_trainer.errors import ConfigError as ConfigError
from ocr_trainer.errors import DataError as DataError
from ocr_trainer.errors import OcrTrainerError as OcrTrainerError


class ModelError(OcrTrainerError):
    """An exported model cannot be used."""
