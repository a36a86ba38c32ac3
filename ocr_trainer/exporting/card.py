"""The model card of an export, with the table of the gate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ocr_trainer.exporting.exporter import Subject
from ocr_trainer.exporting.gate import SCORE_LIMIT, SCORES, TEXT_LIMIT, Row, Verdict
from ocr_trainer.exporting.tensors import ROUNDING_LIMIT, TENSOR_LIMIT
from ocr_trainer_runtime.text.visible import one_line

NOT_GATED = (
    "**Not gated.** This export was written with `--no-gate`: it was not compared with its checkpoint."
)


def gate_rows(verdict: Verdict) -> list[list[str]]:
    """Return the table of the gate: the names of the columns, then one row per size and batch."""
    names = SCORES[verdict.reads]
    head = ["size", "batch", "images", *(f"{name}, {who}" for name in names for who in ("ours", "export"))]
    head += ["largest difference", *(["same texts"] if verdict.reads else []), "result"]
    rows = [head]
    for row in verdict.rows:
        scores = [
            f"{scores.get(name, float('nan')):.4f}"
            for name in names
            for scores in (row.checkpoint, row.export)
        ]
        same = [f"{row.same} of {row.images}"] if verdict.reads else []
        result = "differs" if row.faults(verdict.reads) else "agrees"
        rows.append(
            [
                f"{row.size:g}",
                str(row.batch),
                str(row.images),
                *scores,
                _difference(row),
                *same,
                result,
            ]
        )
    return rows


def _difference(row: Row) -> str:
    if row.rounding is None:
        return f"{row.difference:.1e}"
    ours, theirs = row.rounding.checkpoint, row.rounding.export
    return f"{row.difference:.1e}; from float64: {ours:.1e} ours, {theirs:.1e} export"


def plain_table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as columns of equal width, for a terminal."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as a table in Markdown."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], f"|{' --- |' * len(rows[0])}", *lines[1:]])


def card(
    subject: Subject,
    format_: str,
    verdict: Verdict | None,
    report: Mapping[str, Any] | None,
    files: Iterable[str],
    notes: Sequence[str],
) -> str:
    """Return the model card in Markdown.

    Args:
        subject: The model.
        format_: The name of the exporter.
        verdict: What the gate found; None if it did not run.
        report: The report.json of the run, if it lies beside the checkpoint.
        files: The names of the files of the export.
        notes: Further remarks for the user.
    """
    metadata = subject.metadata
    does = "reads the text of a word or line" if subject.reads else "finds texts on a page"
    sections = [
        f"# {subject.name}, exported to {format_}",
        f"A `{subject.name}` model that {does}. Run it with `python example.py IMAGE`.",
        "## Scores",
        _scores(metadata, report),
        "## The gate",
        NOT_GATED if verdict is None else _gate(verdict),
        "## Training data",
        _data(metadata),
        "## Limits",
        "\n".join(f"- {line}" for line in [*_limits(subject), *notes]),
        "## License",
        f"The license of the weights: {one_line(str(metadata['license']))}. It does not "
        "cover the training data: check the terms of the datasets above.",
        "## Files",
        "\n".join(f"- `{name}`" for name in sorted(files)),
        "## Versions",
        ", ".join(f"{name} {number}" for name, number in metadata["versions"].items()),
    ]
    return "\n\n".join(sections) + "\n"


def _scores(metadata: Mapping[str, Any], report: Mapping[str, Any] | None) -> str:
    scores = dict((report or {}).get("scores") or metadata["scores"])
    if not scores:
        return "The checkpoint has no scores."
    intervals = (report or {}).get("intervals", {})
    rows = [["score", "value", "interval"] if intervals else ["score", "value"]]
    for name, value in scores.items():
        shown = [f"`{name}`", f"{value:.4f}"]
        if intervals:
            low_high = intervals.get(name)
            shown.append(f"{low_high[0]:.4f} to {low_high[1]:.4f}" if low_high else "")
        rows.append(shown)
    tested = (report or {}).get("tested_on") or {}
    on = f"\n\nTested on {tested['images']} images of the {tested['split']} split." if tested else ""
    return (
        f"{markdown_table(rows)}{on}\n\nProtocols: hmean is ICDAR's, at an IoU above 0.5; CLEval and the "
        "error rates are described on ocr-trainer's page on scores."
    )


def _gate(verdict: Verdict) -> str:
    own = ""
    if verdict.own:
        listed = ", ".join(f"{name} {value:.4f}" for name, value in verdict.own.items())
        own = (
            f"\n\nWith the software's own search for regions, at size 1: {listed}. "
            "Its rules differ from the model's own."
        )
    return (
        f"The gate ran the same images through the checkpoint and {verdict.engine}. Scores may differ "
        f"by {SCORE_LIMIT}, probabilities by {TENSOR_LIMIT:g}, or by more if the export is at most"
        f" {ROUNDING_LIMIT} times further from the network in float64 than the checkpoint is;"
        f" {TEXT_LIMIT:.1%} of texts must be identical.\n\n"
        f"{markdown_table(gate_rows(verdict))}{own}"
    )


def _data(metadata: Mapping[str, Any]) -> str:
    data = metadata["data"]
    names = ", ".join(f"`{one_line(name)}`" for name in data["datasets"]) or "unknown"
    run = f" Run {data['run']}." if data.get("run") else ""
    tested = data.get("gated_on")
    gated = (
        f" The gate used {tested['images']} samples of the {tested['split']} split, SHA-256"
        f" {tested['sha256']}."
        if tested
        else ""
    )
    return f"Dataset plugins: {names}.{run}{gated}"


def _limits(subject: Subject) -> list[str]:
    lines = []
    if subject.reads:
        lines.append(f"It knows {len(subject.charset)} characters, which `characters.txt` lists.")
    if subject.exportable.width is not None:
        lines.append(f"Images are {subject.exportable.width} pixels wide; others are resized to that.")
    scored = "It was scored on data like its training data. " if subject.metadata["scores"] else ""
    lines.append(f"{scored}Score it on your images before you use it.")
    return lines
