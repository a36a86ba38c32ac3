"""A recognizer that reads, and a detector that finds, trained for seconds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ocr_trainer.checkpoint import files
from ocr_trainer.checkpoint.read import FORMAT
from ocr_trainer.config.compose import compose
from ocr_trainer.config.context import run_context
from ocr_trainer.config.schema import plain
from ocr_trainer.data.open import open_splits
from ocr_trainer.engine.build import build_model
from ocr_trainer.exporting.exporter import Subject
from ocr_trainer.exporting.metadata import describe
from ocr_trainer.exporting.samples import choose
from ocr_trainer.metrics.build import build_metrics
from ocr_trainer.tasks.base import task_class

RECOGNIZER = (
    *("model=crnn", "model.size=tiny", "dataset=synthetic", "dataset.text.characters='01 A'", "logger=[]"),
    *("dataset.text.max_length=4", "dataset.text.train_texts=10000", "dataset.text.test_texts=500"),
    *("dataset.text.val_texts=8", "dataset.text.blur=0", "dataset.text.max_angle=0", "data.num_workers=0"),
    *("data.batch_size=32", "augment=none", "charset.characters=' 01A'", "data.bucket_batches=1"),
)
DETECTOR = (
    *("model=dbnet", "model.neck_channels=64", "model.size=96", "dataset=synthetic", "dataset.height=96"),
    *("dataset.width=128", "dataset.test_pages=50", "dataset.val_pages=0", "dataset.train_pages=24"),
    *("dataset.min_font_size=22", "dataset.max_words=6", "dataset.max_angle=5", "logger=[]"),
    *("model.box_threshold=0.3", "data.num_workers=0"),
)


class Trained:
    """A model in its checkpoint, as something to export, with samples and metrics."""

    def __init__(self, words: tuple[str, ...], folder: Path, train: Any) -> None:
        torch.manual_seed(0)
        run = compose(list(words))
        context = run_context(run, folder)
        kind = task_class(context.task)
        run, context, splits = kind.prepare(run, context, open_splits(run, context))
        model = build_model(run, context)
        train(model, splits, run, kind)
        model.eval()
        weights = {f"model.{name}": value for name, value in model.state_dict().items()}
        saved = {"format": FORMAT, "config": plain(run), "best_scores": {"val/cer": 0.5}}
        self.path = folder / "best.ckpt"
        files.write({"state_dict": weights, "ocr_trainer": saved}, self.path)
        exportable = model.exportable()
        self.subject = Subject(model, exportable, run, describe(model, exportable, run, saved, None))
        self.metrics = build_metrics(run, context)
        self.samples = choose(splits.test, 40)
        (folder / "report.json").write_text(json.dumps({"scores": {"test/score": 0.25}}), encoding="utf-8")


@pytest.fixture(scope="session")
def recognizer(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A CRNN that reads most texts."""
    return Trained(RECOGNIZER, tmp_path_factory.mktemp("recognizer"), train_recognizer)


@pytest.fixture(scope="session")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A DBNet with random features that tells ink from paper."""
    return Trained(DETECTOR, tmp_path_factory.mktemp("detector"), fit_detector)


def train_recognizer(model: Any, splits: Any, run: Any, kind: Any, steps: int = 70) -> None:
    """Train until the model reads."""
    loader = kind.training_loader(splits.train, model, run)
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, steps)
    for _, batch in zip(range(steps), loader, strict=False):
        loss = model.loss(model(batch.images, batch.widths), batch.targets)["ctc"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def fit_detector(model: Any, splits: Any, run: Any, kind: Any, steps: int = 80) -> None:
    """Train the head on features of a network that has learned nothing."""
    pages = [splits.train[index] for index in range(len(splits.train))]
    images = torch.from_numpy(np.stack([page.image for page in pages]).transpose(0, 3, 1, 2).copy())
    kernels = torch.from_numpy(np.stack([model.encode(page)["shrunk"] for page in pages])).float()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # statistics of this one batch
    with torch.no_grad():
        model(images)
        features = model.eval().neck(model.backbone((images - model.mean) / model.std))
    head = model.probability
    optimizer = torch.optim.AdamW(head.parameters(), lr=5e-3)
    for _ in range(steps):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            head.train()(features).squeeze(1), kernels, pos_weight=torch.tensor(2.0)
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
