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


def uncounted(name: str, counts: Counter[str], config: Config) -> str | None:
    """Return why a split in which no label counts cannot be used, in numbers; None if a label counts.

    None, too, for images without any label: pages without text can be learned.

    Args:
        name: Name of the split.
        counts: The number of labels by reason, as `label_counts` returns it.
        config: The dataset's options.
    """
    if counts[""] or not counts.total():
        return None
    head = f"no label of the {name} split of dataset={config.name} counts, so there is nothing to"
    head += " learn" if name == "train" else " score"
    total = counts.total()
    lines = [
        f"{n:,} of {total:,}: {reason}{_remedy(reason, config)}" for reason, n in counts.most_common() if n
    ]
    return "\n  ".join([f"{head}: all of them are don't care", *lines])


def unscored(reason: str) -> str:
    """Return the note about a test split that a run leaves out, in one line.

    Args:
        reason: As `uncounted` returns it.
    """
    return f"the test split is not scored: {reason}".replace("\n  ", "; ")


def unlabeled(name: str, counts: Counter[str], images: int) -> str | None:
    """Return a note about a split whose images have no labels, or None."""
    if counts.total() or not images:
        return None
    return f"the {images:,} images of the {name} split have no labels: they are pages without text"


def _remedy(reason: str, config: Config) -> str:
    marked = isinstance(getattr(config, "dont_care", None), list) and reason.startswith("the text ")
    option, remedy = MARKED_REMEDY if marked else REMEDIES.get(reason, ("", ""))
    return f"; {remedy}" if option and hasattr(config, option) else ""
