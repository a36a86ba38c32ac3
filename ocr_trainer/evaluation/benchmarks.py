"""`ocr-train test CKPT --benchmarks DIR`: a table of scores on several test sets, with their averages."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ocr_trainer.config.context import run_context
from ocr_trainer.config.schema import RunConfig
from ocr_trainer.data.open import open_any
from ocr_trainer.data.workers import report_worker_errors
from ocr_trainer.engine import report
from ocr_trainer.engine.startup import after_imports
from ocr_trainer.errors import DataError
from ocr_trainer.evaluation.rebuild import rebuild
from ocr_trainer.evaluation.test import tester
from ocr_trainer.metrics.recognition import Text
from ocr_trainer.runs import collector, timing
from ocr_trainer.tasks.base import task_class
from ocr_trainer_runtime.text.visible import echo

COLUMNS = ("word_accuracy", "word_accuracy_ignore_case", "word_accuracy_alphanumeric", "cer", "ned_mean")
SIX = {
    "IIIT5k": ("iiit5k", "iiit5k_3000"),
    "SVT": ("svt",),
    "IC13": ("ic13_857", "ic13_1015", "ic13"),
    "IC15": ("ic15_1811", "ic15_2077", "ic15"),
    "SVTP": ("svtp",),
    "CUTE80": ("cute80", "cute"),
}
"""The six benchmarks of scene text recognition, and their possible folder names; the first match is used."""


def benchmark(
    runs: Mapping[str, RunConfig],
    saved: dict[str, Any],
    checkpoint: str,
    folder: Path,
    timer: timing.PhaseTimer,
) -> dict[str, Any]:
    """Score a recognizer on several test sets and write report.json.

    There are two averages: over the sets, with equal weight, and over the texts. Published tables use either.
    Most of them report the alphanumeric word accuracy.

    Args:
        runs: The checkpoint's run with a set as its dataset, by the name of the set.
        saved: The content of the checkpoint.
        checkpoint: The path of the checkpoint, for the report.
        folder: Where to write the report.
        timer: The timer of the process.

    Returns:
        The content of report.json.

    Raises:
        OcrTrainerError: No set can be used, or a plugin cannot be used.
    """
    after_imports(timer)
    first = next(iter(runs.values()))
    model = rebuild(first, saved, folder)
    collector.resume()
    rows: dict[str, dict[str, float]] = {}
    data: dict[str, Any] = {}
    failed: dict[str, str] = {}
    for name, run in runs.items():
        context = run_context(run, folder)
        kind = task_class(context.task)
        try:
            run, context, splits = kind.prepare(run, context, open_any(run, context))
        except DataError as error:
            # A broken set must not discard the scores of the others.
            echo(f"ocr-train: skipped {name}: {error}", file=sys.stderr)
            failed[name] = str(error)
            continue
        run = replace(run, data=replace(run.data, log_images=0))
        loader = kind.scoring_loader(splits.test, model, run)
        task = kind(model, run, folder, len(splits.test))
        with report_worker_errors([loader]):
            scores = tester(run, loader, [], folder).test(task, loader, verbose=False)[0]
        text = task.metrics.get("text")
        assert isinstance(text, Text)
        rows[name] = {"texts": text.tally.texts, **{c: scores[f"test/{c}"] for c in COLUMNS}}
        skipped = report.skips(context.data_report, list(task.skipped.values()))
        data[name] = {"split": splits.test_split, "skipped": skipped, **splits.report}
        timer.end(name)
    if not rows:
        raise DataError(f"none of the {len(runs)} sets can be used")
    six = _six(rows)
    content = {
        "checkpoint": checkpoint,
        "benchmarks": rows,
        "averages": averages(rows),
        "six": {"sets": six, **averages({name: rows[name] for name in six.values()})} if six else None,
        "data": data,
        "failed": failed,
        "missing_of_six": [name for name in SIX if name not in six],
        "plugins": report.used_plugins(first),
        "versions": report.versions(),
        "seconds": timer.seconds,
    }
    report.write(folder, content)
    return content


def _six(rows: Mapping[str, Any]) -> dict[str, str]:
    """Return the name of the set for each of the six benchmarks that are there."""
    known = {name.lower().replace("-", "_"): name for name in rows}
    found = {title: [known[name] for name in names if name in known] for title, names in SIX.items()}
    return {title: names[0] for title, names in found.items() if names}


def averages(rows: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Return the mean of each score over the sets, and over their texts."""
    texts = sum(row["texts"] for row in rows.values())
    return {
        "over_sets": {c: sum(row[c] for row in rows.values()) / len(rows) for c in COLUMNS},
        "over_texts": {c: sum(row[c] * row["texts"] for row in rows.values()) / texts for c in COLUMNS},
    }


def table(content: Mapping[str, Any], folder: Path) -> str:
    """Return the table of a report for the screen."""
    heads = ("", "texts", "exact", "ignore case", "alphanumeric", "CER", "1-NED")
    lines = [_cells(name, int(row["texts"]), row) for name, row in content["benchmarks"].items()]
    groups = [("all", content["averages"])]
    if content["six"] and len(content["six"]["sets"]) < len(content["benchmarks"]):
        groups.append(("of the six", content["six"]))
    for name, both in groups:
        for key in ("over_sets", "over_texts"):
            lines.append(_cells(f"{name}: mean {key.replace('_', ' ')}", "", both[key]))
    cells = [heads, *lines]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
    text = [
        "  "
        + "  ".join(
            [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]
        )
        for row in cells
    ]
    if content["six"] and content["missing_of_six"]:
        text += ["", f"  missing of the six benchmarks: {', '.join(content['missing_of_six'])}"]
    others = [f"{name} ({row['split']})" for name, row in content["data"].items() if row["split"] != "test"]
    if others:
        text += ["", f"  without a test split, scored on another: {', '.join(others)}"]
    return "\n".join(["", *text, "", str(folder)])


def _cells(name: str, texts: Any, row: Mapping[str, float]) -> tuple[str, ...]:
    return (name, str(texts), *(f"{row[column]:.4f}" for column in COLUMNS))
