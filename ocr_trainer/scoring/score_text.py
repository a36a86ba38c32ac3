"""`ocr-train score --metric text`: score recognized texts of word or line images."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from ocr_trainer.metrics.text import count_texts
from ocr_trainer.plugin import DataReport
from ocr_trainer.scoring import text_files


def score_text(options: Namespace, data_report: DataReport) -> dict[str, Any]:
    """Score predictions and return the report as a dict for JSON. Skipped items go into the data report.

    Args:
        options: Parsed command line: gt, pred, form, pred_form, dont_care.
        data_report: Receives the rows and files that are not scored.

    Raises:
        DataError: A side cannot be read, or the sides have no name in common.
    """
    gt = text_files.read(Path(options.gt), data_report, options.form, "--form", truth=True)
    pred = text_files.read(Path(options.pred), data_report, options.pred_form, "--pred-form", truth=False)
    dont_care = set(options.dont_care or ["###"])
    pairs = list(text_files.pairs(gt, pred, data_report))
    tally = count_texts(pair for pair in pairs if pair[0] not in dont_care)
    return {
        "metric": "text",
        "forms": {"gt": gt.form, "pred": pred.form},
        "scores": tally.scores(),
        "counts": {
            "texts": tally.texts,
            "exact": tally.exact,
            "characters": tally.characters.total(),
            "character_errors": tally.distance,
            "words": tally.words,
            "word_errors": tally.word_distance,
            "dont_care": len(pairs) - tally.texts,
        },
        "details": tally.details(),
    }


def format_confusion(confusion: dict[str, Any]) -> str:
    """Format a confusion for display, such as `'a' read as 'o' (3)`."""
    truth, read = (f"'{confusion[side]}'" if confusion[side] else "nothing" for side in ("truth", "read"))
    return f"{truth} read as {read} ({confusion['count']})"
