"""Checkpoints of small models with random weights, as a run writes them."""

from __future__ import annotations

from pathlib import Path

import torch

from ocr_trainer.checkpoint import files
from ocr_trainer.checkpoint.read import FORMAT
from ocr_trainer.config.compose import compose
from ocr_trainer.config.context import run_context
from ocr_trainer.config.schema import plain
from ocr_trainer.engine import build

DETECTOR = (
    "model=dbnet",
    "model.neck_channels=8",
    "model.backbone.width=8",
    "model.size=128",
    # Random weights give 0.5 everywhere: the whole image is one text.
    "model.box_threshold=0.1",
    "dataset=synthetic",
    "dataset.test_pages=3",
    "dataset.height=128",
    "dataset.width=160",
    "dataset.max_words=8",
    "data.num_workers=0",
    "logger=[]",
)
RECOGNIZER = (
    "model=crnn",
    "model.size=tiny",
    "dataset=synthetic",
    "charset.characters=' ABCdefg12'",
    "logger=[]",
)


def write_checkpoint(path: Path, words: tuple[str, ...], seed: int = 0) -> Path:
    """Write the checkpoint of a model that has learned nothing."""
    torch.manual_seed(seed)
    run = compose(list(words))
    model = build.build_model(run, run_context(run, path.parent))
    weights = {f"model.{name}": value for name, value in model.state_dict().items()}
    files.write({"state_dict": weights, "ocr_trainer": {"format": FORMAT, "config": plain(run)}}, path)
    return path
