"""Score outlines, and texts if given, of whole images.

`icdar` and `cleval` give more than in a run: average precision, end-to-end scores, counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ocr_trainer.errors import ConfigError, DataError
from ocr_trainer.formats.annotations import is_self_intersecting
from ocr_trainer.metrics import cleval, icdar
from ocr_trainer.metrics.icdar import average_precision
from ocr_trainer.plugin import DataReport
from ocr_trainer.scoring.left_out import refuse_unusable, without
from ocr_trainer.scoring.options import ScoreOptions
from ocr_trainer.scoring.plugin_metric import compute, page_sample
from ocr_trainer.scoring.row_forms import form_of
from ocr_trainer.scoring.submission import Page, Submission, read


class Result(NamedTuple):
    """Scores and counts of a metric."""

    scores: dict[str, float]
    counts: dict[str, int]


class Pair(NamedTuple):
    """Ground truth and predictions of an image."""

    truth: Page
    found: Page
    ignore: list[bool]
    """One per ground truth outline: don't-care."""


def score_pages(options: ScoreOptions, data_report: DataReport) -> dict[str, Any]:
    """Score predictions and return the report as a dict for JSON. Skipped items go into the data report.

    Args:
        options: What to score.
        data_report: Receives the files, rows and outlines that are not scored.

    Raises:
        ConfigError: A form does not exist, or has confidences of the ground truth.
        DataError: A side cannot be read, too much of it cannot be used, or no file of one side belongs to
            one of the other.
    """
    form, pred_form = (form_of(form) if form else None for form in (options.form, options.pred_form))
    if form is not None and form.confidence:
        raise ConfigError(f"form={form}: ground truth has no confidences")
    gt = read(options.gt, data_report, form, "form=", confidence=False)
    pred = read(options.pred, data_report, pred_form, "pred_form=", confidence=True)
    pairs = list(_pairs(gt, pred, set(options.dont_care), data_report))
    for page in (*gt.pages.values(), *pred.pages.values()):
        _report_unusable(page, data_report)
    for path, side in ((options.gt, gt), (options.pred, pred)):
        _report_crossing(path, side, data_report)
    refuse_unusable(
        "ground truth", options.gt, gt.counts, data_report, options.max_skipped, _hint(gt, "form=")
    )
    refuse_unusable(
        "predictions", options.pred, pred.counts, data_report, options.max_skipped, _hint(pred, "pred_form=")
    )
    if options.metric == "icdar":
        result = _icdar(pairs, pred, options.iou)
    elif options.metric == "cleval":
        result = _cleval(pairs, gt, pred, options.ignore_case)
    else:
        result = _plugin(pairs, options)
    return {
        "metric": options.metric,
        **({"iou": options.iou} if options.metric == "icdar" else {}),
        "images": len(pairs),
        "read": {
            "gt": gt.counts.to_dict(),
            "pred": pred.counts.to_dict(),
            "without": without(list(gt.pages), list(pred.pages)),
        },
        "forms": {"gt": str(gt.form), "pred": str(pred.form) if pred.form else None},
        "scores": result.scores,
        "counts": result.counts,
    }


def _pairs(gt: Submission, pred: Submission, dont_care: set[str], data_report: DataReport) -> Iterator[Pair]:
    """Yield the ground truth of each image with its predictions, sorted by confidence."""
    if gt.form is None:
        raise DataError("the ground truth has no rows")
    if pred.pages and not gt.pages.keys() & pred.pages.keys():
        ours, theirs = (next(iter(side.pages.values())).file for side in (gt, pred))
        raise DataError(
            f"no prediction file matches a ground truth file\n"
            f"  ground truth such as '{ours}', predictions such as '{theirs}'\n"
            "  name them gt_X.txt and res_X.txt, or X.txt, with the same X"
        )
    for image, page in pred.pages.items():
        if image not in gt.pages:
            data_report.skip_image(page.file, "no ground truth, not scored")
    for image, truth in gt.pages.items():
        if image not in pred.pages:
            data_report.skip_image(truth.file, "no predictions, scored as an image without detections")
        found = pred.pages.get(image, Page(""))
        yield Pair(truth, found.sorted(), [text in dont_care for text in truth.texts])


def _hint(side: Submission, option: str) -> str:
    """Return a line that says which other form the rows may have."""
    if side.form is None or side.form.shape != "ltrb":
        return f"\n  they are read as {side.form}; {option} sets another form"
    other = str(side.form).replace("ltrb", "xywh", 1)
    return (
        f"\n  they are read as {side.form}; for left, top, width, height, set {option}{other},"
        f"\n  for rotated boxes {option}ltrb+angle or {option}cxcywh+angle"
    )


def _report_unusable(page: Page, data_report: DataReport) -> None:
    """Report the rows that are not outlines, which no metric counts."""
    for line, polygon in zip(page.lines, page.polygons, strict=True):
        if (count := len(polygon)) < 3:
            points = "1 point is" if count == 1 else f"{count} points are"
            data_report.skip_label(page.file, line, f"{points} not a polygon, not scored")


def _report_crossing(path: Path, side: Submission, data_report: DataReport) -> None:
    """Report how many outlines of a side have their corners in another order than around the outline."""
    quads = [
        polygon.tolist() for page in side.pages.values() for polygon in page.polygons if len(polygon) == 4
    ]
    if crossing := sum(map(is_self_intersecting, quads)):
        data_report.remark(
            path,
            None,
            f"{crossing:,} of {len(quads):,} outlines of four points cross themselves, most likely because"
            " their corners come in another order than around the outline; they are scored as they are",
        )


def _plugin(pairs: Sequence[Pair], options: ScoreOptions) -> Result:
    counts = {
        "truths": sum(len(pair.truth.polygons) for pair in pairs),
        "detections": sum(len(pair.found.polygons) for pair in pairs),
        "dont_care": sum(sum(pair.ignore) for pair in pairs),
    }
    return Result(compute(options, (page_sample(*pair) for pair in pairs)), counts)


def _icdar(pairs: Sequence[Pair], pred: Submission, iou: float) -> Result:
    total = icdar.Counts()
    confidences, hits = [np.empty(0)], [np.empty(0, dtype=bool)]
    for truth, found, ignore in pairs:
        overlaps = icdar.overlaps(truth.polygons, ignore, found.polygons)
        counts = overlaps.match(iou)
        total += counts
        confidences.append(np.array(found.confidences)[overlaps.detections])
        hits.append(np.isin(overlaps.detections, [detection for _, detection in counts.pairs]))
    scores = {"recall": total.recall, "precision": total.precision, "hmean": total.hmean}
    if pred.form and pred.form.confidence:
        flat = np.concatenate(confidences), np.concatenate(hits)
        scores["average_precision"] = average_precision(*flat, total.cared_truths)
    counted = {
        "matched": total.matched,
        "truths": total.cared_truths,
        "detections": total.cared_detections,
        "dont_care": sum(sum(pair.ignore) for pair in pairs),
    }
    return Result(scores, counted)


def _cleval(pairs: Sequence[Pair], gt: Submission, pred: Submission, ignore_case: bool) -> Result:
    has_texts = gt.form is not None and gt.form.text
    end_to_end = has_texts and pred.form is not None and pred.form.text
    total = cleval.Counts()
    for truth, found, ignore in pairs:
        texts, recognitions = truth.texts, found.texts
        if ignore_case:
            texts, recognitions = [t.upper() for t in texts], [t.upper() for t in recognitions]
        # Without a text, CLEval estimates the number of characters from the outline.
        known = texts if has_texts else [None] * len(texts)
        total += cleval.evaluate(
            truth.polygons, known, ignore, found.polygons, recognitions if end_to_end else None
        )
    tallies = {"": total.detection, **({"end_to_end_": total.end_to_end} if end_to_end else {})}
    counts = {"split": total.split, "merged": total.merged, "overlapped": total.overlapped}
    for prefix, tally in tallies.items():
        counts |= {
            f"{prefix}truth_characters": tally.ground_truths,
            f"{prefix}detected_characters": tally.detections,
            f"{prefix}true_positives": tally.matched,
            f"{prefix}false_positives": tally.false_positives,
        }
    rates = ("recall", "precision", "hmean")
    return Result({f"{p}{rate}": getattr(t, rate) for p, t in tallies.items() for rate in rates}, counts)
