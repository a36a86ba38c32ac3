"""Description of `ufo`; importing it does not load the reader."""

from __future__ import annotations

from dataclasses import dataclass

from ocr_trainer.plugin import DatasetPlugin, FormatSignature, Task
from ocr_trainer.plugin.options import ListedPagesConfig, UntranscribedConfig


@dataclass
class UfoConfig(UntranscribedConfig, ListedPagesConfig):
    """The options of `ufo`."""


ufo = DatasetPlugin(
    api=1,
    summary="UFO JSON (Upstage Format for OCR): words as polygons, one file per split",
    config=UfoConfig,
    tasks=(Task.detection,),
    factory="ocr_trainer_ufo.dataset:Ufo",
    signatures=tuple(
        FormatSignature(f"{folder}*.json", r'"images"\s*:\s*\{\s*"[^"]*"\s*:\s*\{')
        for folder in ("", "ufo/", "annotations/")
    ),
)
