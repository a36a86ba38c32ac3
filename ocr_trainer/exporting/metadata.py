"""The metadata of an exported file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import torch

from ocr_trainer.config.schema import RunConfig, plain
from ocr_trainer.evaluation.pipeline import trained_margins
from ocr_trainer.plugin import Kind, discovery
from ocr_trainer.tasks.detection.heights import least_learned
from ocr_trainer.tasks.exportable import Exportable
from ocr_trainer.tasks.recognition.recognizer import Recognizer

FORMAT = 1
"""Version of the metadata."""
KEY = "ocr_trainer"
"""The key of the metadata in formats that store named strings."""
NO_LICENSE = "not stated"


def describe(
    model: Any, exportable: Exportable, run: RunConfig, saved: Mapping[str, Any], license: str | None
) -> dict[str, Any]:
    """Return the metadata of an export as plain values.

    Args:
        model: The model.
        exportable: What its method `exportable` returns.
        run: The configuration in its checkpoint, with overrides.
        saved: The entry `ocr_trainer` of the checkpoint.
        license: The license of the weights, or None.
    """
    plugin = discovery.find(Kind.model, run.model.name)
    scores = {name: round(float(value), 6) for name, value in saved.get("best_scores", {}).items()}
    return {
        "format": FORMAT,
        "model": run.model.name,
        "config": plain(run.model.without_init_weights()),
        "input": _input(model, exportable),
        "output": {"name": exportable.output, "kind": exportable.kind.value},
        "preprocessing": dict(exportable.preprocessing),
        "postprocessing": dict(exportable.postprocessing),
        **(_text(model, saved) if isinstance(model, Recognizer) else _pages(run, saved)),
        "scores": scores,
        "calibration": saved.get("calibration") or {},
        "data": _data(saved),
        "license": license or NO_LICENSE,
        "versions": {
            "ocr-trainer": version("ocr-trainer"),
            plugin.distribution: plugin.version,
            "torch": torch.__version__,
        },
    }


def dump(metadata: Mapping[str, Any]) -> str:
    """Return metadata as JSON in one line."""
    return json.dumps(metadata, ensure_ascii=False, sort_keys=True)


def _input(model: Any, exportable: Exportable) -> dict[str, Any]:
    shape: list[str | int] = ["batch", 3, "height", exportable.width or "width"]
    if isinstance(model, Recognizer):
        shape[2] = model.size(1, 1)[0]
    return {"name": "images", "dtype": "uint8", "color": "RGB", "shape": shape, "stride": model.stride}


def _text(model: Recognizer, saved: Mapping[str, Any]) -> dict[str, Any]:
    margins = trained_margins(saved.get("config", {}))
    return {"charset": model.charset, "visual_order": model.visual, "margins": margins}


def _pages(run: RunConfig, saved: Mapping[str, Any]) -> dict[str, Any]:
    """Return how a detector sees long pages, and the least height of the texts that it has learned."""
    tiles = getattr(run, "tiles", None)
    return {"tiles": plain(tiles) if tiles else None, "least_height": least_learned(saved)}


def _data(saved: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is known about the training data: its options, their hash, the identity of the run."""
    options = saved.get("config", {}).get("dataset", {})
    text = json.dumps(options, sort_keys=True, default=str)
    # The options may contain paths of the training machine, which are private: the hash stands for them.
    names = sorted(set(_names(options)))
    return {
        "datasets": names,
        "options_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "run": saved.get("run"),
    }


def _names(options: Any) -> list[str]:
    if not isinstance(options, Mapping):
        return []
    own = [str(options["name"])] if options.get("name") else []
    return own + [name for value in options.values() for name in _names(value)]
