"""`Writer`, the base class of the formats of result files, for plugins; the runtime has it."""

from __future__ import annotations

from ocr_trainer_runtime.results.writer import Writer as Writer
from ocr_trainer_runtime.results.writer import encode as encode
