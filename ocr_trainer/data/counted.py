"""Refuse splits in which no label counts: nothing can be learned from them, and nothing scored on them."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ocr_trainer.plugin import Config

REMEDIES = {
    "no transcription": ("ignore_untranscribed", "to learn boxes alone: dataset.ignore_untranscribed=false"),
    "the outline crosses itself": (
        "order_corners",
        "to order corners: dataset.order_corners=true",
    ),
}
"""By reason: the option that the remedy needs, and the remedy."""

MARKED_REMEDY = ("dont_care", "to learn these boxes: 'dataset.dont_care=[]'")
"""Tools write such a text for each box that nobody has typed a text for."""


def label_counts(split: Any) -> Counter[str] | None:
    """Return how many labels of a split are "don't care" by reason, without decoding its images.

    The empty reason stands for the labels that count. None if the split cannot tell.
    """
    count = getattr(split, "label_counts", None)
    return count() if count is not None else None


def uncounted(name: str, counts: Counter[str], images: int, config: Config) -> str | None:
    """Return why a split in which no label counts cannot be used, in numbers; None if a label counts.

    Args:
        name: Name of the split.
        counts: The number of labels by reason, as `label_counts` returns it.
        images: The number of images.
        config: The dataset's options.
    """
    if counts[""]:
        return None
    head = f"no label of the {name} split of dataset={config.name} counts, so there is nothing to"
    head += " learn" if name == "train" else " score"
    total = counts.total()
    if not total:
        return f"{head}: its images have no labels ({images:,} of {images:,})"
    lines = [
        f"{n:,} of {total:,}: {reason}{_remedy(reason, config)}" for reason, n in counts.most_common() if n
    ]
    return "\n  ".join([f"{head}: all of them are don't care", *lines])


def _remedy(reason: str, config: Config) -> str:
    marked = isinstance(getattr(config, "dont_care", None), list) and reason.startswith("the text ")
    option, remedy = MARKED_REMEDY if marked else REMEDIES.get(reason, ("", ""))
    return f"; {remedy}" if option and hasattr(config, option) else ""
