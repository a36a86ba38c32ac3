"""The results of a run: report.json for programs and the closing table for people."""

from __future__ import annotations

import hashlib
import importlib.machinery
import importlib.util
import json
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer

from ocr_trainer.config.schema import RunConfig
from ocr_trainer.config.security import redact
from ocr_trainer.config.validate import nested_plugins
from ocr_trainer.engine import scored_on
from ocr_trainer.plugin import DataReport, Kind, SkippedItem, allowlist, discovery
from ocr_trainer.tasks.base import LearningTask


def used_plugins(run: RunConfig) -> list[dict[str, str]]:
    """Return the plugins of a run, their distributions, and hashes of their code."""
    chosen: list[tuple[Kind, str]] = []
    for _, kind, config in run.plugins():
        # A run may be composed without a dataset, and a logger may be off.
        if config.name and getattr(config, "enabled", True):
            chosen.append((kind, config.name))
        chosen += [(nested, options.name) for _, nested, options, _ in nested_plugins(config)]
    found = [discovery.find(kind, name) for kind, name in dict.fromkeys(chosen)]
    return [
        {
            "kind": p.kind.value,
            "name": p.name,
            "distribution": p.distribution,
            "version": p.version,
            "sha256": code_hash(p.module, discovery.described(p).factory),
        }
        for p in found
    ]


def code_hash(*modules: str) -> str:
    """Return the SHA-256 of the packages of modules, equal for a wheel and an editable install.

    The hash covers, in the order of their paths, the path and content of each file that Python imports from
    (sources and compiled extensions) in the top-level package of each module, or of the single file of a
    module outside of packages. Data files and `__pycache__` do not count.
    """
    total = hashlib.sha256()
    for top in sorted({module.partition(":")[0].partition(".")[0] for module in modules}):
        for name, path in sorted(_code_files(top)):
            content = path.read_bytes()
            total.update(f"{name}\0{len(content)}\0".encode())
            total.update(content)
    return total.hexdigest()


def _code_files(top: str) -> Iterator[tuple[str, Path]]:
    """Yield the source files of a top-level package or module, each with its path relative to the package."""
    spec = importlib.util.find_spec(top)
    suffixes = tuple(importlib.machinery.all_suffixes())
    for folder in map(Path, (spec and spec.submodule_search_locations) or ()):
        for path in folder.rglob("*"):
            if path.name.endswith(suffixes) and "__pycache__" not in path.parts:
                yield f"{top}/{path.relative_to(folder).as_posix()}", path
    if spec and spec.origin and not spec.submodule_search_locations:
        yield Path(spec.origin).name, Path(spec.origin)


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that results depend on most."""
    import cv2
    import lightning
    import numpy as np
    import torch

    libraries = {module.__name__: str(module.__version__) for module in (torch, lightning, np, cv2)}
    return {"python": platform.python_version(), **libraries}


def skips(data_report: DataReport, unreadable: list[SkippedItem]) -> dict[str, Any]:
    """Return the numbers of skipped images, labels and texts and of remarks, and all entries.

    Args:
        data_report: What the dataset skipped when it was opened.
        unreadable: What the data workers skipped.
    """
    # An image with a broken header is in both: it was found at the start, and again when it was read.
    known = {entry.file for entry in data_report.skipped if entry.what == "image"}
    entries = [*data_report.skipped, *(e for e in unreadable if e.what != "image" or e.file not in known)]
    # Each process that decodes a page remarks the same of it.
    remarks = dict.fromkeys(entry for entry in entries if entry.what == "remark")
    entries = [*(entry for entry in entries if entry.what != "remark"), *remarks]
    return {
        "images": sum(entry.what == "image" for entry in entries),
        "labels": sum(entry.what == "label" for entry in entries),
        "texts": sum(entry.what == "text" for entry in entries),
        "remarks": sum(entry.what == "remark" for entry in entries),
        "of_images": data_report.images,
        "of_labels": data_report.labels,
        "entries": [str(entry) for entry in entries],
    }


def summary(
    run: RunConfig, trainer: Trainer, task: LearningTask[Any], data_report: DataReport
) -> dict[str, Any]:
    """Return the entries that the reports of training and of tests share."""
    return {
        "details": task.details(),
        "highlights": task.highlights(),
        "headline": list(task.headline),
        "diagnosis": task.diagnosis,
        "parameters": sum(parameter.numel() for parameter in task.model.parameters()),
        "skipped": skips(data_report, list(task.skipped.values())),
        "plugins": used_plugins(run),
        "plugin_rules": allowlist.rules(),
        "versions": versions(),
        "seed": run.seed,
        "device": str(trainer.strategy.root_device),
    }


def write(folder: Path, report: dict[str, Any], name: str = "report.json") -> None:
    """Write a report as JSON to a folder."""
    text = redact(json.dumps(report, indent=2, ensure_ascii=False))
    # File names need not be valid UTF-8; their bytes are written as escapes.
    (folder / name).write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def _format(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def table(report: dict[str, Any], folder: Path, calibration_gain: str = "") -> str:
    """Return the closing table of a run.

    Args:
        report: The content of report.json.
        folder: The run directory.
        calibration_gain: The task's description of the calibration's gain.
    """
    shown = report.get("headline")
    rows = [
        (name, f"{value:.4f}")
        for name, value in report["scores"].items()
        if not shown or name.partition("/")[2] in shown
    ]
    rows += scored_on.rows(report.get("tested_on", {}))
    if report.get("best_checkpoint"):
        monitor = report["monitor"]
        by = f"by {monitor}" if monitor in report["scores"] else "(the last: no validation)"
        rows.append(("best checkpoint", f"{report['best_checkpoint']} {by}"))
    if calibration := report.get("calibration"):
        chosen = ", ".join(f"{name}={_format(value)}" for name, value in calibration["chosen"].items())
        rows.append(("calibrated", f"{chosen or 'no gain'} ({calibration_gain})"))
    rows += report.get("highlights", {}).items()
    rows.append(("parameters", f"{report['parameters']:,}"))
    skipped = report["skipped"]
    left_out = ", ".join(f"{skipped[what]} {what}" for what in ("images", "labels", "texts") if skipped[what])
    if left_out:
        rows.append(("left out", f"{left_out} (see report.json)"))
    if remarks := skipped.get("remarks"):
        rows.append(("remarks", f"{remarks} on what was read (see report.json)"))
    rows += [("profile", file) for file in report.get("profiles", ())]
    rows.append(("time", ", ".join(f"{name} {value:.1f} s" for name, value in report["seconds"].items())))
    width = max(len(name) for name, _ in rows)
    lines = [f"  {name.ljust(width)}  {value}" for name, value in rows]
    return "\n".join(["", *lines, "", str(folder)])
