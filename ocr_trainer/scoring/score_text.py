"""Score recognized texts of word or line images. The metric `text` gives counts and details, too."""

from __future__ import annotations

from typing import Any

from ocr_trainer.metrics.text import count_texts
from ocr_trainer.plugin import DataReport
from ocr_trainer.scoring import text_files
from ocr_trainer.scoring.left_out import refuse_unusable
from ocr_trainer.scoring.options import ScoreOptions
from ocr_trainer.scoring.plugin_metric import compute, text_sample


def score_text(options: ScoreOptions, data_report: DataReport) -> dict[str, Any]:
    """Score predictions and return the report as a dict for JSON. Skipped items go into the data report.

    Args:
        options: What to score.
        data_report: Receives the rows and files that are not scored.

    Raises:
        ConfigError: A form does not exist.
        DataError: A side cannot be read, too much of it cannot be used, or the sides have no name in common.
    """
    for form in filter(None, (options.form, options.pred_form)):
        text_files.check_form(form)
    gt = text_files.read(options.gt, data_report, options.form, "form=", truth=True)
    pred = text_files.read(options.pred, data_report, options.pred_form, "pred_form=", truth=False)
    for what, path, side in (("ground truth", options.gt, gt), ("predictions", options.pred, pred)):
        refuse_unusable(what, path, side.counts, data_report, options.max_skipped)
    dont_care = set(options.dont_care)
    pairs = list(text_files.pairs(gt, pred, data_report))
    cared = [pair for pair in pairs if pair[0] not in dont_care]
    head = {
        "metric": options.metric,
        "forms": {"gt": gt.form, "pred": pred.form},
        "read": {
            "gt": gt.counts.to_dict(),
            "pred": pred.counts.to_dict(),
            "without": text_files.without(gt, pred),
        },
    }
    if options.metric != "text":
        scores = compute(options, (text_sample(*pair) for pair in cared))
        counts = {"texts": len(cared), "dont_care": len(pairs) - len(cared)}
        return {**head, "scores": scores, "counts": counts}
    tally = count_texts(cared)
    return {
        **head,
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
