"""Small models with random weights to export, and images to compare them on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ocr_trainer.config.compose import compose
from ocr_trainer.config.context import run_context
from ocr_trainer.config.schema import plain
from ocr_trainer.data.types import Sample, TextImage
from ocr_trainer.engine.build import build_model
from ocr_trainer.exporting.exporter import Subject
from ocr_trainer.exporting.metadata import describe
from ocr_trainer.metrics.build import build_metrics
from ocr_trainer.metrics.collection import MetricCollection


def subject(words: Sequence[str], seed: int = 0) -> tuple[Subject, MetricCollection]:
    """Return a model with random weights as something to export, and the metrics of its run."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        run = compose([*words, "logger=[]"])
        context = run_context(run, Path())
        model = build_model(run, context).eval()
    exportable = model.exportable()
    metadata = describe(model, exportable, run, {"config": plain(run)}, None)
    return Subject(model, exportable, run, metadata), build_metrics(run, context)


def samples(made: Subject, count: int) -> list[Any]:
    """Return images of noise, of different sizes, with labels that they do not hold."""
    rng = np.random.default_rng(count)
    return [_text(made, rng) if made.reads else _page(rng) for _ in range(count)]


def _page(rng: np.random.Generator) -> Sample:
    height, width = rng.integers(70, 130, 2).tolist()
    box = np.array([[5, 5], [60, 5], [60, 25], [5, 25]], dtype=np.float32)
    return Sample(_noise(rng, height, width), [box], ["a"], np.zeros(1, dtype=bool), "noise")


def _text(made: Subject, rng: np.random.Generator) -> TextImage:
    height, width = int(rng.integers(20, 40)), int(rng.integers(40, 160))
    return TextImage(_noise(rng, height, width), made.charset.strip()[:2], "noise")


def _noise(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
