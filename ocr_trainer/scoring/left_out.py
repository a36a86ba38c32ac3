"""What is left out of a score: counted beside it, and refused if it is too much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocr_trainer.errors import DataError
from ocr_trainer.plugin import DataReport

MAX_SHOWN = 5
"""Number of rows that a message names."""


@dataclass(frozen=True)
class RowCounts:
    """How many rows one side has, and how many of them cannot be scored."""

    rows: int = 0
    unusable: int = 0

    def to_dict(self) -> dict[str, int]:
        """Return the counts for JSON."""
        return {"rows": self.rows, "left_out": self.unusable}


def refuse_unusable(
    what: str, path: Path, counts: RowCounts, data_report: DataReport, limit: float, hint: str = ""
) -> None:
    """Refuse a side of which too many rows cannot be scored.

    A missing row costs a submission nothing in precision, and a missing label nothing in recall.

    Args:
        what: The side, for the message.
        path: Its file or folder.
        counts: Its rows.
        data_report: What was left out so far; what lies in `path` is named.
        limit: The largest share of rows that may be unusable.
        hint: Further lines of the message.

    Raises:
        DataError: There are more.
    """
    if counts.unusable <= limit * counts.rows:
        return
    entries = [e for e in data_report.skipped if e.what == "label" and str(e.file).startswith(str(path))]
    listed = "".join(f"\n  {entry}" for entry in entries[:MAX_SHOWN])
    more = f"\n  … and {len(entries) - MAX_SHOWN} more" if len(entries) > MAX_SHOWN else ""
    raise DataError(
        f"{counts.unusable} of {counts.rows} rows of the {what} cannot be used, more than "
        f"max_skipped={limit:g} allows:{listed}{more}{hint}"
    )


def left_out_rows(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the lines of the printed table that say what is left out of a score; empty if nothing is."""
    sides = {"ground truth": report["read"]["gt"], "predictions": report["read"]["pred"]}
    lines = [
        (f"{name} left out", f"{side['left_out']} of {side['rows']}")
        for name, side in sides.items()
        if side["left_out"]
    ]
    without = report["read"]["without"]
    lines += [(f"without {name.replace('_', ' ')}", str(count)) for name, count in without.items() if count]
    return lines


def without(gt: Sequence[str], pred: Sequence[str]) -> dict[str, int]:
    """Return how many images or texts one side has that the other lacks."""
    return {"predictions": len(set(gt) - set(pred)), "ground_truth": len(set(pred) - set(gt))}
