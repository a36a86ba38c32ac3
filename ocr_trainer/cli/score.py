"""`ocr-train score`: score prediction files against ground truth files."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ocr_trainer.api import scoring
from ocr_trainer.cli.flags import as_flags
from ocr_trainer.cli.parser import Parser
from ocr_trainer.errors import ConfigError, DataError
from ocr_trainer.scoring import text_files
from ocr_trainer.scoring.left_out import left_out_rows
from ocr_trainer.scoring.options import DONT_CARE, MAX_SKIPPED
from ocr_trainer.scoring.row_forms import DETECTED
from ocr_trainer.scoring.score_text import format_confusion
from ocr_trainer.scoring.shapes import SHAPES
from ocr_trainer_runtime.text.visible import echo, one_line

MAX_SHOWN = 10
"""Number of notes to print; the JSON file contains all of them."""

FORMAT = f"""\
Metrics of detections: each side is a folder or a zip with a .txt file per image (gt_img_1.txt,
res_img_1.txt) and a row per text. The row format is detected, or set with --form and --pred-form:
{", ".join(map(str, DETECTED))}.
These must be set: {", ".join(name for name, shape in SHAPES.items() if not shape.detected)},
with +confidence or +text as above. {", ".join(f"{name}: {shape.fields}" for name, shape in SHAPES.items())};
an angle turns the box clockwise about its center, by radians or degrees.

Metrics of texts: each side is a file with a row per image, or a folder with a .txt or .gt.txt file per
image, its text. Forms of rows: {", ".join(text_files.FORMS)}: NAME, a tab and TEXT; the same
with a confidence after another tab; NAME, "TEXT"; NAME, a space and TEXT.
"""


def score(words: Sequence[str]) -> int:
    """Score predictions, print the scores and the skipped items, and return the exit status.

    Raises:
        ConfigError: The options contradict each other.
        DataError: One side cannot be read, or the two do not match.
    """
    options = _parsed(words)
    with as_flags("iou", "ignore_case", "form", "pred_form", "metric", "max_skipped"):
        report = scoring.score(
            options.gt,
            options.pred,
            options.metric,
            iou=options.iou,
            ignore_case=options.ignore_case,
            form=options.form,
            pred_form=options.pred_form,
            dont_care=options.dont_care or DONT_CARE,
            max_skipped=options.max_skipped,
            options=_metric_options(options.options),
        )
    echo(_table(report))
    if options.json:
        _write(Path(options.json), report)
    return 0


def _parsed(words: Sequence[str]) -> Namespace:
    parser = Parser("ocr-train score", description="Score predictions on disk.", epilog=FORMAT)
    parser.add_argument("--gt", required=True, metavar="PATH", help="the ground truth")
    parser.add_argument("--pred", required=True, metavar="PATH", help="the predictions")
    parser.add_argument(
        "--metric",
        required=True,
        metavar="NAME",
        help="icdar, cleval, deteval, tiou, text, or one of a plugin",
    )
    parser.add_argument(
        "--iou", type=float, metavar="X", help="icdar: minimum IoU of a match, exclusive (default: 0.5)"
    )
    parser.add_argument("--ignore-case", action="store_true", help="cleval: convert texts to upper case")
    parser.add_argument("--form", metavar="FORM", help="row format of the ground truth")
    parser.add_argument("--pred-form", metavar="FORM", help="row format of the predictions")
    parser.add_argument(
        "--dont-care",
        action="append",
        metavar="TEXT",
        help="text that marks don't-care regions (default: ###); repeatable",
    )
    parser.add_argument(
        "--max-skipped",
        type=float,
        default=MAX_SKIPPED,
        metavar="SHARE",
        help=f"largest share of rows of either side that may be unusable (default: {MAX_SKIPPED:g})",
    )
    parser.add_argument(
        "options", nargs="*", metavar="KEY=VALUE", help="options of the metric, such as recall=0.7 of deteval"
    )
    parser.add_argument("--json", metavar="FILE", help="write the scores and all skipped items")
    return parser.parse_intermixed_args(words)


def _metric_options(words: Sequence[str]) -> dict[str, str]:
    for word in words:
        if "=" not in word:
            raise ConfigError(f"'{word}' is not an option of the metric: write KEY=VALUE")
    return {key: value for key, _, value in (word.partition("=") for word in words)}


def _table(report: dict[str, Any]) -> str:
    """Return the printed table: scores, counts and skipped items."""
    images = {"images": report["images"]} if "images" in report else {}
    rows = [(name, f"{n}") for name, n in (images | report["counts"]).items()]
    rows += left_out_rows(report)
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
        lines.append(f"  most often: {', '.join(map(format_confusion, confusions[:MAX_SHOWN]))}")
    if left_out := report["left_out"]:
        lines += [
            f"left out or noted: {len(left_out)}",
            *(f"  {one_line(entry)}" for entry in left_out[:MAX_SHOWN]),
        ]
    if len(left_out) > MAX_SHOWN:
        lines.append(f"  … and {len(left_out) - MAX_SHOWN} more; --json FILE lists all")
    return "\n".join(lines)


def _write(file: Path, report: dict[str, Any]) -> None:
    try:
        text = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
        file.write_text(text, encoding="utf-8", errors="backslashreplace")  # as report.json
    except OSError as error:
        raise DataError(f"cannot write {file}: {error.strerror}") from error
