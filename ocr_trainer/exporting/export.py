"""`ocr-train export`: write, gate and describe an export, and only then move it to its folder."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ocr_trainer.config.context import run_context
from ocr_trainer.config.schema import RunConfig
from ocr_trainer.data.open import open_test
from ocr_trainer.engine.scored_on import same_data
from ocr_trainer.errors import ConfigError, DataError, ExportError
from ocr_trainer.evaluation.rebuild import rebuild
from ocr_trainer.exporting import card
from ocr_trainer.exporting.exporter import Exporter, Subject
from ocr_trainer.exporting.gate import LEAST, Verdict, run_gate
from ocr_trainer.exporting.metadata import describe
from ocr_trainer.exporting.samples import choose, fingerprint
from ocr_trainer.exporting.staging import staged
from ocr_trainer.metrics.build import build_metrics
from ocr_trainer.metrics.collection import MetricCollection
from ocr_trainer.plugin import Config, Context, Kind
from ocr_trainer.plugin.build import build
from ocr_trainer.tasks.base import task_class
from ocr_trainer_runtime.text.visible import echo

ADVICE = "--data KEY=VALUE gives other data, such as dataset.root=DIR; --no-gate writes the export ungated"


@dataclass(frozen=True)
class Request:
    """The arguments of an export."""

    run: RunConfig
    """The configuration in the checkpoint, with overrides. If there is a gate, it has a dataset."""
    saved: Mapping[str, Any]
    """The content of the checkpoint."""
    path: Path
    """The checkpoint."""
    config: Config
    """The options of the exporter; `config.name` names it."""
    out: Path
    gate: bool = True
    license: str | None = None


@dataclass(frozen=True)
class GateData:
    """The samples of the gate."""

    samples: Sequence[Any]
    split: str

    def to_dict(self) -> dict[str, Any]:
        """Return the entry for the metadata of the export."""
        return {"split": self.split, "images": len(self.samples), "sha256": fingerprint(self.samples)}


def export(request: Request) -> tuple[Verdict | None, list[str]]:
    """Export a model, and return the verdict of the gate and notes for the user.

    Raises:
        ConfigError: An option needs the gate, and there is none.
        ExportError: The model cannot be exported to the format, or the export differs from the checkpoint.
        DataError: There are too few samples for the gate, or the files cannot be written.
    """
    run, ours = request.run, request.saved["ocr_trainer"]
    model = rebuild(run, dict(request.saved), Path())
    exportable = model.exportable()
    subject = Subject(model, exportable, run, describe(model, exportable, run, ours, request.license))
    context = run_context(run, Path())
    exporter: Exporter = build(Kind.exporter, request.config, context)
    for name in exporter.gated_options if not request.gate else ():
        if getattr(request.config, name):
            raise ConfigError(
                f"exporter.{name}=true needs the images of the gate, which --no-gate leaves out: "
                "leave out one of the two"
            )
    if reason := exporter.refusal(subject):
        raise ExportError(f"{subject.name} cannot be exported to {request.config.name}: {reason}")
    data = _gate_data(request, subject, context) if request.gate else None
    if data is not None:
        known = {**subject.metadata["data"], "gated_on": data.to_dict()}
        subject = replace(subject, metadata={**subject.metadata, "data": known})
    with staged(request.out) as folder:
        exporter.write(subject, folder)
        verdict, notes = None, []
        if data is not None:
            metrics = build_metrics(run, context)
            verdict = _gate(exporter, subject, folder, data, metrics)
            notes = exporter.finish(subject, folder, data.samples, metrics)
        _describe(request, subject, folder, verdict, notes)
    return verdict, notes


def _gate_data(request: Request, subject: Subject, context: Context) -> GateData:
    """Return the samples for the gate.

    Raises:
        DataError: The data cannot be opened, or there are too few.
    """
    run, saved = request.run, request.saved["ocr_trainer"]["config"]
    least = LEAST[subject.reads]
    try:
        kind = task_class(context.task)
        splits = open_test(run, context, same_data(run, saved))
        run, context, splits = kind.prepare(run, context, splits)
    except DataError as error:
        raise DataError(f"the gate has no data: {error}\n  {ADVICE}") from error
    samples = choose(splits.test, least)
    if len(samples) < least:
        what = "texts" if subject.reads else "pages"
        raise DataError(
            f"the gate needs {least} {what}, but the {splits.test_split} split of dataset={run.dataset.name}"
            f" has {len(samples)} that can be read\n  {ADVICE}"
        )
    return GateData(samples, str(splits.test_split))


def _gate(
    exporter: Exporter, subject: Subject, folder: Path, data: GateData, metrics: MetricCollection
) -> Verdict:
    """Run the gate.

    Raises:
        ExportError: The export does not pass.
    """
    engine = exporter.open(subject, folder)
    what = "texts" if subject.reads else "pages"
    echo(f"ocr-train: comparing {len(data.samples)} {what} with {engine.title}", file=sys.stderr)
    verdict = run_gate(subject, engine, data.samples, metrics)
    if verdict.faults:
        listed = "".join(f"\n  {fault}" for fault in verdict.faults)
        table = card.plain_table(card.gate_rows(verdict))
        raise ExportError(f"the export differs from its checkpoint and is not written:{listed}\n\n{table}")
    return verdict


def _describe(
    request: Request, subject: Subject, folder: Path, verdict: Verdict | None, notes: Sequence[str]
) -> None:
    """Write the files beside the model: characters.txt, gate.json and README.md."""
    if subject.reads:
        characters = "".join(f"{character}\n" for character in subject.charset)
        (folder / "characters.txt").write_text(characters, encoding="utf-8", newline="\n")
    gate = {"passed": None, "reason": "--no-gate"} if verdict is None else verdict.to_dict()
    (folder / "gate.json").write_text(json.dumps(gate, indent=2) + "\n", encoding="utf-8")
    files = [*(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())]
    text = card.card(
        subject, request.config.name, verdict, _report(request.path), [*files, "README.md"], notes
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def _report(checkpoint: Path) -> dict[str, Any] | None:
    """Return report.json of the run directory that contains a checkpoint, or None."""
    for folder in (checkpoint.parent, checkpoint.parent.parent):
        try:
            found = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        return found if isinstance(found, dict) else None
    return None
