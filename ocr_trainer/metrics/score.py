"""`ocr-train score`: predictions on disk against ground truth on disk."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import shapely

from ocr_trainer.errors import ConfigError, DataError
from ocr_trainer.metrics import cleval, icdar
from ocr_trainer.metrics.row_forms import FORMS, form_of
from ocr_trainer.metrics.submission import Page, Submission, read
from ocr_trainer.plugin import Ledger
from ocr_trainer.training.samples import Polygon

SHOWN = 10
"""So many notes are printed; all of them are in the JSON file."""

FORMAT = f"""\
Each side is a folder or a zip with a .txt file per image (gt_img_1.txt, res_img_1.txt) and a row per text.
The form of the rows is found out, or said with --form and --pred-form:
{", ".join(map(str, FORMS[:6]))},
{", ".join(map(str, FORMS[6:]))}
"""


class Result(NamedTuple):
    """The figures of a metric."""

    scores: dict[str, float]
    counts: dict[str, int]


class Pair(NamedTuple):
    """An image's ground truth and predictions."""

    truth: Page
    found: Page
    ignore: list[bool]


def score(words: Sequence[str]) -> int:
    """Score predictions, print the figures and what was left out; return the exit status.

    Raises:
        ConfigError: If the options contradict each other.
        DataError: If one side cannot be read, or the two do not belong together.
    """
    options = _options(words)
    ledger = Ledger()
    gt = read(Path(options.gt), ledger, options.form, "--form", confidence=False)
    pred = read(Path(options.pred), ledger, options.pred_form, "--pred-form", confidence=True)
    pairs = list(_pairs(gt, pred, set(options.dont_care or ["###"]), ledger))
    for pair in pairs:
        for page in (pair.truth, pair.found):
            _note_unusable(page, options.metric, ledger)
    if options.metric == "icdar":
        result = _icdar(pairs, pred, options.iou)
    else:
        result = _cleval(pairs, gt, pred, options.ignore_case)

    report = {
        "metric": options.metric,
        **({"iou": options.iou} if options.metric == "icdar" else {}),
        "images": len(pairs),
        "forms": {"gt": str(gt.form), "pred": str(pred.form) if pred.form else None},
        "scores": result.scores,
        "counts": result.counts,
        "left_out": [str(entry) for entry in ledger.skipped],
    }
    print(_table(report))
    if options.json:
        _write(Path(options.json), report)
    return 0


def _options(words: Sequence[str]) -> Namespace:
    parser = ArgumentParser("ocr-train score", description="Score predictions on disk.", epilog=FORMAT)
    parser.add_argument("--gt", required=True, metavar="PATH", help="the ground truth: folder or zip")
    parser.add_argument("--pred", required=True, metavar="PATH", help="the predictions: folder or zip")
    parser.add_argument("--metric", required=True, choices=["icdar", "cleval"])
    parser.add_argument(
        "--iou", type=float, metavar="X", help="icdar: the IoU of a match is above (default: 0.5)"
    )
    parser.add_argument("--ignore-case", action="store_true", help="cleval: read texts as upper case")
    parser.add_argument("--form", metavar="FORM", help="the form of the ground truth's rows")
    parser.add_argument("--pred-form", metavar="FORM", help="the form of the predictions' rows")
    parser.add_argument(
        "--dont-care",
        action="append",
        metavar="TEXT",
        help="a text that marks what is not scored (default: ###); repeat it for several",
    )
    parser.add_argument("--json", metavar="FILE", help="write the figures, and all that was left out")
    options = parser.parse_args(words)
    if options.metric == "icdar" and options.ignore_case:
        raise ConfigError("--ignore-case is for --metric cleval: icdar does not look at texts")
    if options.metric == "cleval" and options.iou is not None:
        raise ConfigError("--iou is for --metric icdar: cleval matches by characters")
    options.iou = 0.5 if options.iou is None else options.iou
    if not 0 <= options.iou < 1:
        raise ConfigError(f"--iou must be at least 0 and below 1, not {options.iou:g}")
    options.form = options.form and form_of(options.form)
    options.pred_form = options.pred_form and form_of(options.pred_form)
    if options.form and options.form.confidence:
        raise ConfigError(f"--form {options.form}: ground truth has no confidences")
    return options


def _pairs(gt: Submission, pred: Submission, dont_care: set[str], ledger: Ledger) -> Iterator[Pair]:
    """Bring ground truth and predictions together; an image without predictions has none."""
    if gt.form is None:
        raise DataError("the ground truth has not a single row")
    if pred.pages and not gt.pages.keys() & pred.pages.keys():
        ours, theirs = (next(iter(side.pages.values())).file for side in (gt, pred))
        raise DataError(
            f"no file of the predictions belongs to one of the ground truth\n"
            f"  ground truth such as '{ours}', predictions such as '{theirs}'\n"
            "  name them gt_X.txt and res_X.txt, or X.txt, with the same X"
        )
    for image, page in pred.pages.items():
        if image not in gt.pages:
            ledger.skip_image(page.file, "no ground truth for it, not scored")
    for image, truth in gt.pages.items():
        if image not in pred.pages:
            ledger.skip_image(truth.file, "no predictions for it, scored as if nothing was found")
        found = pred.pages.get(image, Page(""))
        yield Pair(truth, found.sorted(), [text in dont_care for text in truth.texts])


def _note_unusable(page: Page, metric: str, ledger: Ledger) -> None:
    """Enter the outlines that the metric passes over."""
    for line, polygon in zip(page.lines, page.polygons, strict=True):
        if fault := _fault(polygon, metric):
            ledger.skip_label(page.file, line, f"{fault}, not scored")


def _fault(polygon: Polygon, metric: str) -> str | None:
    if len(polygon) < 3:
        return "1 point is no polygon" if len(polygon) == 1 else f"{len(polygon)} points are no polygon"
    if metric == "icdar" and not shapely.is_valid(shapely.polygons(polygon)):
        return "the outline crosses itself or has no area"
    return None


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


def average_precision(confidences: np.ndarray, hits: np.ndarray, truths: int) -> float:
    """Return the mean over all truths of the precision at which each was found, as the challenges do.

    Args:
        confidences: float, one per detection of the whole set.
        hits: bool, one per detection: whether it is matched.
        truths: How many there are to be found.
    """
    hits = hits[np.argsort(-confidences, kind="stable")]
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return float(precision[hits].sum() / truths) if truths else 0.0


def _cleval(pairs: Sequence[Pair], gt: Submission, pred: Submission, ignore_case: bool) -> Result:
    written = gt.form is not None and gt.form.text
    read_too = written and pred.form is not None and pred.form.text
    total = cleval.Counts()
    for truth, found, ignore in pairs:
        texts, readings = truth.texts, found.texts
        if ignore_case:
            texts, readings = [t.upper() for t in texts], [t.upper() for t in readings]
        known = texts if written else [None] * len(texts)
        total += cleval.evaluate(
            truth.polygons, known, ignore, found.polygons, readings if read_too else None
        )
    tallies = {"": total.detection, **({"end_to_end_": total.end_to_end} if read_too else {})}
    counts = {"split": total.split, "merged": total.merged, "overlapped": total.overlapped}
    for prefix, tally in tallies.items():
        counts |= {
            f"{prefix}truth_characters": tally.truths,
            f"{prefix}detected_characters": tally.detections,
            f"{prefix}true_positives": tally.matched,
            f"{prefix}false_positives": tally.false_positives,
        }
    rates = ("recall", "precision", "hmean")
    return Result({f"{p}{rate}": getattr(t, rate) for p, t in tallies.items() for rate in rates}, counts)


def _table(report: dict[str, Any]) -> str:
    """Return what people read: figures, counts, and what was left out."""
    rows = [("images", f"{report['images']}"), *((name, f"{n}") for name, n in report["counts"].items())]
    rows += [(name, f"{value:.4f}") for name, value in report["scores"].items()]
    width = max(len(name) for name, _ in rows)
    title = f"{report['metric']}, IoU above {report['iou']:g}" if "iou" in report else report["metric"]
    forms = (
        f"ground truth read as {report['forms']['gt']}, predictions as {report['forms']['pred'] or 'none'}"
    )
    lines = [
        f"{title}; {forms}",
        *(f"  {name.replace('_', ' '):{width}}  {value:>8}" for name, value in rows),
    ]
    if left_out := report["left_out"]:
        lines += [f"left out or noted: {len(left_out)}", *(f"  {entry}" for entry in left_out[:SHOWN])]
    if len(left_out) > SHOWN:
        lines.append(f"  … and {len(left_out) - SHOWN} more; --json FILE tells them all")
    return "\n".join(lines)


def _write(file: Path, report: dict[str, Any]) -> None:
    try:
        file.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise DataError(f"cannot write {file}: {error.strerror}") from error
