"""Decide whether labels without transcription count, once the whole dataset is known.

Drawing only boxes is how most people label for a detector. If no label of a dataset has a transcription, the
boxes are all there is to learn. If some have one, a label without is one that nobody could read.
"""

from __future__ import annotations

from collections.abc import Sequence

from ocr_trainer.formats.annotations import NO_TRANSCRIPTION
from ocr_trainer.formats.labeled import LabeledImages
from ocr_trainer.plugin import Config, DataReport


def undecided(images: LabeledImages, config: Config) -> int:
    """Return how many labels may count: those without transcription, if no label of the images has one."""
    if getattr(config, "ignore_untranscribed", False) is not None or images.has_transcriptions():
        return 0
    return images.label_counts()[NO_TRANSCRIPTION]


def decide(splits: Sequence[LabeledImages], config: Config, data_report: DataReport) -> None:
    """Let labels without transcription count if no label of any split has one, and note it.

    Args:
        splits: All images of the dataset.
        config: Options of the dataset; `ignore_untranscribed` decides unless it is null.
        data_report: Receives the note.
    """
    count = sum(undecided(images, config) for images in splits)
    if not count or any(images.has_transcriptions() for images in splits):
        return
    for images in splits:
        images.count_untranscribed()
    data_report.note(
        f"no label of dataset={config.name} has a transcription, so its {count:,} labels without one are text"
        " to detect (dataset.ignore_untranscribed=true makes them don't care)"
    )
