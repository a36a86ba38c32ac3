"""`ocr-train test CKPT --benchmarks DIR`: one table over several test sets, with both averages in use."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ocr_trainer.config.schema import RunConfig
from ocr_trainer.data.open import open_any
from ocr_trainer.data.workers import report_worker_errors
from ocr_trainer.engine import build, report
from ocr_trainer.engine.startup import after_imports, enable_garbage_collection
from ocr_trainer.errors import DataError
from ocr_trainer.evaluation.test import rebuild, tester
from ocr_trainer.runs import timing
from ocr_trainer.tasks.base import task_class

COLUMNS = ("word_accuracy", "word_accuracy_ignore_case", "word_accuracy_alphanumeric", "cer", "ned_mean")
SIX = {
    "IIIT5k": ("iiit5k", "iiit5k_3000"),
    "SVT": ("svt",),
    "IC13": ("ic13_857", "ic13_1015", "ic13"),
    "IC15": ("ic15_1811", "ic15_2077", "ic15"),
    "SVTP": ("svtp",),
    "CUTE80": ("cute80", "cute"),
}
"""The six benchmarks of scene text recognition, and what their folders are called; the first counts."""


def benchmark(
    runs: Mapping[str, RunConfig],
    saved: dict[str, Any],
    checkpoint: str,
    folder: Path,
    timer: timing.PhaseTimer,
) -> dict[str, Any]:
    """Score a recognizer on several sets; write report.json and print the table.

    Two averages are told: over the sets, each counting alike, and over the texts. Published tables use
    either; the alphanumeric word accuracy is the one that most of them give.

    Args:
        runs: By the name of a set, the checkpoint's run with that set as its dataset.
        saved: What the checkpoint holds.
        checkpoint: Its file, for the report.
        folder: Where the report goes.
        laps: The phases so far.

    Raises:
        OcrTrainerError: A set or a plugin cannot serve.
    """
    after_imports(timer)
    first = next(iter(runs.values()))
    model = rebuild(first, saved, folder)
    enable_garbage_collection()
    rows: dict[str, dict[str, float]] = {}
    found: dict[str, Any] = {}
    failed: dict[str, str] = {}
    for name, run in runs.items():
        context = build.context(run, folder)
        kind = task_class(context.task)
        try:
            run, context, splits = kind.prepare(run, context, open_any(run, context))
        except DataError as error:
            # One broken set does not cost the others.
            print(f"ocr-train: passed over: {name}: {error}", file=sys.stderr)
            failed[name] = str(error)
            continue
        run = replace(run, data=replace(run.data, log_images=0))
        loader = kind.scoring_loader(splits.test, model, run)
        task = kind(model, run, folder, len(splits.test))
        with report_worker_errors([loader]):
            scores = tester(run, loader, [], folder).test(task, loader, verbose=False)[0]
        assert task.tally is not None
        rows[name] = {"texts": task.tally.texts, **{c: scores[f"test/{c}"] for c in COLUMNS}}
        skipped = report.skips(context.data_report, list(task.skipped.values()))
        found[name] = {"split": splits.test_split, "skipped": skipped, **splits.report}
        timer.end(name)
    if not rows:
        raise DataError(f"none of the {len(runs)} sets can be used")
    six = _six(rows)
    told = {
        "checkpoint": checkpoint,
        "benchmarks": rows,
        "averages": averages(rows),
        "six": {"sets": six, **averages({name: rows[name] for name in six.values()})} if six else None,
        "data": found,
        "failed": failed,
        "missing_of_six": [name for name in SIX if name not in six],
        "plugins": report.used_plugins(first),
        "versions": report.versions(),
        "seconds": timer.seconds,
    }
    report.write(folder, told)
    print(table(told, folder))
    return told


def _six(rows: Mapping[str, Any]) -> dict[str, str]:
    """Return which set stands for which of the six benchmarks."""
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


def table(told: Mapping[str, Any], folder: Path) -> str:
    """Return the table that is printed."""
    heads = ("", "texts", "exact", "ignore case", "alphanumeric", "CER", "1-NED")
    lines = [_cells(name, int(row["texts"]), row) for name, row in told["benchmarks"].items()]
    groups = [("all", told["averages"])]
    if told["six"] and len(told["six"]["sets"]) < len(told["benchmarks"]):
        groups.append(("of the six", told["six"]))
    for name, both in groups:
        for key in ("over_sets", "over_texts"):
            lines.append(_cells(f"{name}: mean {key.replace('_', ' ')}", "", both[key]))
    cells = [heads, *lines]
    widths = [max(len(row[place]) for row in cells) for place in range(len(heads))]
    text = [
        "  "
        + "  ".join(
            [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]
        )
        for row in cells
    ]
    if told["six"] and told["missing_of_six"]:
        text += ["", f"  of the six benchmarks there are not: {', '.join(told['missing_of_six'])}"]
    return "\n".join(["", *text, "", str(folder)])


def _cells(name: str, texts: Any, row: Mapping[str, float]) -> tuple[str, ...]:
    return (name, str(texts), *(f"{row[column]:.4f}" for column in COLUMNS))
