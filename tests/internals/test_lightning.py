"""What `ocr_trainer.internals.lightning` relies on is where it was, and does what it did."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers.logger import DummyLogger
from lightning.pytorch.loops.fit_loop import _FitLoop
from lightning.pytorch.loops.training_epoch_loop import _TrainingEpochLoop
from lightning.pytorch.strategies import DDPStrategy
from torch.utils.data import DataLoader

from ocr_trainer.internals import lightning as internals


@pytest.mark.parametrize(
    ("owner", "name", "user"),
    [
        (_TrainingEpochLoop, "_should_accumulate", "accumulating"),
        (_TrainingEpochLoop, "_should_check_val_fx", "validation_due"),
        (_TrainingEpochLoop, "_is_training_done", "training_done"),
        (DDPStrategy, "_get_process_group_backend", "backend_and_timeout"),
    ],
)
def test_lightning_has_the_method(owner: type, name: str, user: str):
    assert hasattr(owner, name), (
        f"Lightning moved {owner.__name__}.{name}: ocr_trainer.internals.lightning.{user} needs it"
    )


@pytest.mark.parametrize(
    ("owner", "name", "user"),
    [(_FitLoop, "_data_fetcher", "validation_due"), (DDPStrategy, "_timeout", "backend_and_timeout")],
)
def test_lightning_sets_the_attribute(owner: type, name: str, user: str):
    source = inspect.getsource(owner.__init__)
    assert f"self.{name}" in source, (
        f"Lightning moved {owner.__name__}.{name}: ocr_trainer.internals.lightning.{user} needs it"
    )


class Line(LightningModule):
    """One weight, on one batch after another."""

    def __init__(self) -> None:
        super().__init__()
        self.net = torch.nn.Linear(1, 1)

    def training_step(self, batch: torch.Tensor, _: int) -> torch.Tensor:
        return self.net(batch).square().mean()

    def validation_step(self, batch: torch.Tensor, _: int) -> None: ...

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Positions(Callback):
    """Notes what the functions say after each batch, and what a checkpoint says then."""

    def __init__(self) -> None:
        self.seen: list[tuple[bool, bool, bool]] = []
        self.places: list[tuple[int, int]] = []
        self.keys: set[str] = set()
        self.finished: set[tuple[str, bool]] = set()
        self.steps: list[int] = []

    def on_train_batch_start(self, trainer: Trainer, *_: object) -> None:
        self.finished.add(("start", internals.batch_finished(trainer)))
        self.steps.append(internals.logged_step(trainer))

    def on_validation_batch_end(self, trainer: Trainer, *_: object) -> None:
        self.finished.add(("validation", internals.batch_finished(trainer)))

    def on_train_epoch_end(self, trainer: Trainer, *_: object) -> None:
        self.finished.add(("epoch", internals.batch_finished(trainer)))

    def on_train_batch_end(self, trainer: Trainer, *_: object) -> None:
        self.finished.add(("end", internals.batch_finished(trainer)))
        functions = internals.accumulating, internals.validation_due, internals.training_done
        self.seen.append(tuple(function(trainer) for function in functions))
        checkpoint = trainer._checkpoint_connector.dump_checkpoint(weights_only=False)
        self.keys = set(checkpoint["loops"]["fit_loop"])
        assert internals.position(trainer) == checkpoint["loops"]["fit_loop"]
        self.places.append(internals.normalize_position(checkpoint, self.seen[-1][1], not self.seen[-1][0]))


@pytest.fixture
def positions(tmp_path: Path) -> Positions:
    """Two epochs of four batches, two to a step, with a validation after each epoch."""
    data = DataLoader(torch.ones(4, 1))
    callback = Positions()
    quiet = dict.fromkeys(
        ("logger", "enable_progress_bar", "enable_model_summary", "enable_checkpointing"), False
    )
    trainer = Trainer(
        max_epochs=2, accumulate_grad_batches=2, num_sanity_val_steps=0, accelerator="cpu",
        callbacks=[callback], default_root_dir=tmp_path, **quiet,
    )  # fmt: skip
    trainer.fit(Line(), data, data)
    return callback


def test_a_fast_dev_run_is_known(tmp_path: Path):
    for fast in (False, True):
        trainer = Trainer(fast_dev_run=fast, accelerator="cpu", default_root_dir=tmp_path, logger=False)
        assert internals.is_fast_dev_run(trainer) is fast, "Lightning moved Trainer.fast_dev_run"


class Rows(DummyLogger):
    """Notes the steps of which figures are logged."""

    def __init__(self, events: list[tuple[str, int]]) -> None:
        super().__init__()
        self.events = events

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        self.events.append(("row", step))


class Logging(Line):
    """Logs a figure with each batch."""

    def on_train_batch_end(self, *_: object) -> None:
        self.log("figure", 1.0)


@pytest.mark.filterwarnings("ignore")
def test_a_batch_is_over_when_its_figures_are_logged(tmp_path: Path):
    events: list[tuple[str, int]] = []
    quiet = dict.fromkeys(("enable_progress_bar", "enable_model_summary", "enable_checkpointing"), False)
    trainer = Trainer(
        max_steps=3, log_every_n_steps=1, accelerator="cpu", logger=Rows(events), default_root_dir=tmp_path,
        **quiet,
    )  # fmt: skip
    internals.after_each_batch(trainer, lambda trainer: events.append(("over", trainer.global_step)))
    trainer.fit(Logging(), DataLoader(torch.ones(4, 1)))
    rows = [event for event in events if event != ("row", 3)]
    assert rows == [
        (what, step) for step in range(3) for what, step in (("row", step), ("over", step + 1))
    ], "_TrainingEpochLoop.advance no longer ends with the loggers"


@pytest.mark.filterwarnings("ignore")
def test_where_training_is(positions: Positions):
    accumulating, due, done = zip(*positions.seen, strict=True)
    assert accumulating == (True, False, True, False) * 2, (
        "_TrainingEpochLoop._should_accumulate no longer says whether a batch is within a step"
    )
    assert due == (False, False, False, True) * 2, (
        "_TrainingEpochLoop._should_check_val_fx no longer says whether a validation follows"
    )
    assert done == (False, False, False, True) * 2, (
        "_TrainingEpochLoop._is_training_done no longer says whether an epoch ends"
    )


@pytest.mark.filterwarnings("ignore")
def test_which_hooks_follow_a_step(positions: Positions):
    assert positions.finished == {("start", False), ("end", True), ("validation", False), ("epoch", False)}, (
        "_TrainingEpochLoop.advance counts batches in another order: batch_finished needs it"
    )
    assert positions.steps == [0, 0, 1, 1, 2, 2, 3, 3], "_batches_that_stepped no longer counts steps"


@pytest.mark.filterwarnings("ignore")
def test_a_copy_of_the_position_stays_as_it_is(tmp_path: Path):
    class Copies(Callback):
        def __init__(self) -> None:
            self.copies: list[dict] = []

        def on_train_batch_end(self, trainer: Trainer, *_: object) -> None:
            self.copies.append(internals.position(trainer))
            internals.save_alone(trainer, tmp_path / "a.ckpt", None)

    copies = Copies()
    quiet = dict.fromkeys(
        ("logger", "enable_progress_bar", "enable_model_summary", "enable_checkpointing"), False
    )
    trainer = Trainer(max_epochs=1, accelerator="cpu", callbacks=[copies], default_root_dir=tmp_path, **quiet)
    trainer.fit(Line(), DataLoader(torch.ones(4, 1)))
    ready = [copy["epoch_loop.batch_progress"]["total"]["ready"] for copy in copies.copies]
    assert ready == [1, 2, 3, 4], "_Loop.state_dict no longer copies its counters"
    assert torch.load(tmp_path / "a.ckpt", weights_only=True)["global_step"] == 4


@pytest.mark.filterwarnings("ignore")
def test_what_a_checkpoint_says_of_it(positions: Positions):
    needed = {
        "epoch_progress", "epoch_loop.batch_progress", "epoch_loop.state_dict",
        "epoch_loop.val_loop.batch_progress",
    }  # fmt: skip
    assert needed <= positions.keys, f"Lightning's checkpoints have no {needed - positions.keys} any more"
    assert positions.places == [(epoch, batch) for epoch in (0, 1) for batch in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("strategy", "spawned"),
    [("auto", False), ("ddp", False), ("ddp_spawn", True), ("ddp_fork", True), ("ddp_notebook", True)],
)
def test_processes_that_lightning_spawns_are_recognized(strategy: str, spawned: bool):
    trainer = Trainer(strategy=strategy, accelerator="cpu", devices=1, logger=False)
    assert internals.spawns_processes(trainer) is spawned
