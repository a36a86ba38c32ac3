"""What `ufo` is, in light lines."""

from __future__ import annotations

from dataclasses import dataclass

from ocr_trainer.plugin import DatasetPlugin, FormatSignature, Task
from ocr_trainer.plugin.options import ListedConfig


@dataclass
class UfoConfig(ListedConfig):
    """The options of `ufo`."""

    ignore_untranscribed: bool = True
    """Take a word whose transcription is null or blank as "don't care"; otherwise it is text to detect."""


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
