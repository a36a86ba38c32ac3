"""What to score, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DONT_CARE = ("###",)
"""Texts that mark "don't care" regions by default."""
MAX_SKIPPED = 0.01
"""The largest share of the rows of a side that may be unusable, by default; as `data.max_skipped`."""


@dataclass(frozen=True)
class ScoreOptions:
    """The options of scoring predictions on disk."""

    gt: Path
    """The ground truth."""
    pred: Path
    """The predictions."""
    metric: str
    """The name of a metric plugin."""
    iou: float = 0.5
    """icdar: minimum IoU of a match, exclusive."""
    ignore_case: bool = False
    """cleval: whether to convert texts to upper case."""
    form: str | None = None
    """Row format of the ground truth; None to detect it."""
    pred_form: str | None = None
    """Row format of the predictions; None to detect it."""
    dont_care: Sequence[str] = DONT_CARE
    """Texts that mark "don't care" regions."""
    max_skipped: float = MAX_SKIPPED
    """The largest share of the rows of a side that may be unusable."""
    metric_options: Mapping[str, Any] = field(default_factory=dict)
    """Options of the metric's plugin."""
