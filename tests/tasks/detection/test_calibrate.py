"""Choosing thresholds on validation data."""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from helpers.mirror import RUN, box, mirror, page
from ocr_trainer_dbnet.model import DBNet
from ocr_trainer_synthetic.synthetic import Pages

from ocr_trainer.checkpoint.read import read
from ocr_trainer.cli.main import main
from ocr_trainer.data.split import subsample
from ocr_trainer.plugin.options import Unclip
from ocr_trainer.tasks.detection.calibrate import calibrate
from ocr_trainer.tasks.detection.data import scoring_loader

CPU = torch.device("cpu")
# Text at a probability of .55, and a spot that is none at .45: only thresholds between tell them apart.
PAGES = [page({"text": (box(8, 10 + n, 220, 24), 0.55)}, spots=0.45) for n in range(3)]


def test_the_best_thresholds_and_unclipping_are_found():
    model = mirror("model.box_threshold=0.6", "model.unclip=ratio", "model.unclip_ratio=0.3")
    done = calibrate(model, scoring_loader(PAGES, model, RUN), CPU)
    assert done is not None
    assert (done.before, done.after, done.images) == (0.0, 1.0, 3)
    assert 0.45 < model.config.box_threshold <= 0.55
    assert model.config.unclip is Unclip.exact or model.config.unclip_ratio != 0.3
    assert done.to_dict()["chosen"]["box_threshold"] == model.config.box_threshold


def test_what_is_best_already_stays():
    model = mirror("model.box_threshold=0.5", "model.unclip=exact")
    before = model.config
    done = calibrate(model, scoring_loader(PAGES, model, RUN), CPU)
    assert (done.before, done.after, done.chosen) == (1.0, 1.0, {})
    assert model.config == before


def test_where_nothing_can_be_found_nothing_is_chosen():
    model = mirror()
    before = model.config
    assert calibrate(model, scoring_loader([page({})], model, RUN), CPU) is None
    assert model.config == before


@pytest.mark.parametrize(("length", "most"), [(10, 3), (10, 10), (3, 200), (7, 1)])
def test_some_of_a_split_are_spread_evenly(length: int, most: int):
    chosen = subsample(range(length), most)
    taken = [chosen[index] for index in range(len(chosen))]
    assert 0 < len(taken) <= most
    assert len(set(taken)) == len(taken)
    steps = {b - a for a, b in pairwise(taken)}
    assert len(steps) <= 1


def test_a_run_keeps_what_was_chosen_in_its_checkpoint_and_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    words = [
        "model=dbnet",
        "model.neck_channels=8",
        "model.backbone.width=8",
        "model.size=128",
        "augment.crop=64",
        "model.box_threshold=0.9",
    ]
    words += ["dataset.train_pages=2", "dataset.val_pages=2", "dataset.test_pages=1", "dataset.height=128"]
    words += [
        "dataset.width=128",
        "data.num_workers=0",
        "data.batch_size=2",
        "trainer.max_epochs=1",
        "logger=[]",
    ]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["ocr-train", *words, "trainer.accelerator=cpu"])
    network = DBNet.forward

    def forward(self: DBNet, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Train as ever; afterwards, know the text: two steps would not teach it."""
        return network(self, images) if self.training else {"probability": 0.55 * (images[:, 0] > 0)}

    monkeypatch.setattr(DBNet, "forward", forward)
    monkeypatch.setattr(Pages, "__getitem__", lambda self, index: PAGES[index % 3])
    assert main() == 0
    (folder,) = (tmp_path / "runs" / "default").iterdir()
    calibration = json.loads((folder / "report.json").read_text(encoding="utf-8"))["calibration"]
    assert calibration["split"] == "val"
    assert calibration["hmean_after"] > calibration["hmean_before"] == 0
    kept = read(folder / "checkpoints" / "best.ckpt")["ocr_trainer"]
    assert kept["calibration"] == calibration
    assert kept["config"]["model"].items() >= calibration["chosen"].items() != {}
    # The test was made with it, and the last checkpoint is as training left it.
    assert json.loads((folder / "report.json").read_text(encoding="utf-8"))["scores"]["test/hmean"] > 0
    assert (
        read(folder / "checkpoints" / "last.ckpt")["ocr_trainer"]["config"]["model"]["box_threshold"] == 0.9
    )
