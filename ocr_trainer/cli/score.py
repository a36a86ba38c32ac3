"""`ocr-train score`: predictions on disk against ground truth on disk."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ocr_trainer.errors import ConfigError, DataError
from ocr_trainer.plugin import DataReport
from ocr_trainer.scoring import text_files
from ocr_trainer.scoring.row_forms import FORMS, form_of
from ocr_trainer.scoring.score_pages import score_pages
from ocr_trainer.scoring.score_text import format_confusion, score_text

SHOWN = 10
"""So many notes are printed; all of them are in the JSON file."""

FORMAT = f"""\
icdar, cleval: each side is a folder or a zip with a .txt file per image (gt_img_1.txt, res_img_1.txt) and
a row per text. The form of the rows is found out, or said with --form and --pred-form:
{", ".join(map(str, FORMS[:6]))},
{", ".join(map(str, FORMS[6:]))}

text: each side is a file with a row per image, or a folder with a .txt or .gt.txt file per image, its text.
Forms of rows: {", ".join(text_files.FORMS)}: NAME, a tab and TEXT; the same with a confidence
behind another tab; NAME, "TEXT"; NAME, a space and TEXT.
"""


def score(words: Sequence[str]) -> int:
    """Score predictions, print the figures and what was left out; return the exit status.

    Raises:
        ConfigError: If the options contradict each other.
        DataError: If one side cannot be read, or the two do not belong together.
    """
    options = _options(words)
    data_report = DataReport()
    report = (score_text if options.metric == "text" else score_pages)(options, data_report)
    report["left_out"] = [str(entry) for entry in data_report.skipped]
    print(_table(report))
    if options.json:
        _write(Path(options.json), report)
    return 0


def _options(words: Sequence[str]) -> Namespace:
    parser = ArgumentParser("ocr-train score", description="Score predictions on disk.", epilog=FORMAT)
    parser.add_argument("--gt", required=True, metavar="PATH", help="the ground truth")
    parser.add_argument("--pred", required=True, metavar="PATH", help="the predictions")
    parser.add_argument("--metric", required=True, choices=["icdar", "cleval", "text"])
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
    if options.metric != "cleval" and options.ignore_case:
        why = {"icdar": "icdar does not look at texts", "text": "text tells the scores with and without"}
        raise ConfigError(f"--ignore-case is for --metric cleval: {why[options.metric]}")
    if options.metric != "icdar" and options.iou is not None:
        why = {"cleval": "cleval matches by characters", "text": "text does not look at outlines"}
        raise ConfigError(f"--iou is for --metric icdar: {why[options.metric]}")
    options.iou = 0.5 if options.iou is None else options.iou
    if not 0 <= options.iou < 1:
        raise ConfigError(f"--iou must be at least 0 and below 1, not {options.iou:g}")
    if options.metric == "text":
        for form in filter(None, (options.form, options.pred_form)):
            text_files.check_form(form)
        return options
    options.form = options.form and form_of(options.form)
    options.pred_form = options.pred_form and form_of(options.pred_form)
    if options.form and options.form.confidence:
        raise ConfigError(f"--form {options.form}: ground truth has no confidences")
    return options


def _table(report: dict[str, Any]) -> str:
    """Return what people read: figures, counts, and what was left out."""
    images = {"images": report["images"]} if "images" in report else {}
    rows = [(name, f"{n}") for name, n in (images | report["counts"]).items()]
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
    if confusions := report.get("details", {}).get("confusions"):
        lines.append(f"  most often: {', '.join(map(format_confusion, confusions[:SHOWN]))}")
    if left_out := report["left_out"]:
        lines += [f"left out or noted: {len(left_out)}", *(f"  {entry}" for entry in left_out[:SHOWN])]
    if len(left_out) > SHOWN:
        lines.append(f"  … and {len(left_out) - SHOWN} more; --json FILE tells them all")
    return "\n".join(lines)


def _write(file: Path, report: dict[str, Any]) -> None:
    try:
        text = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
        file.write_text(text, encoding="utf-8", errors="backslashreplace")  # as report.json
    except OSError as error:
        raise DataError(f"cannot write {file}: {error.strerror}") from error
