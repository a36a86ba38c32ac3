"""What is recorded, and how the plugin describes itself."""

import logging
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from unittest.mock import MagicMock

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from lightning.pytorch.loggers import Logger, WandbLogger
from lightning.pytorch.loggers.logger import DummyExperiment
from ocr_trainer_wandb.logger import BackgroundWandbLogger, factory, plain
from ocr_trainer_wandb.plugin import Mode, WandbConfig, wandb
from PIL import Image
from wandb_file import recorded

from ocr_trainer.errors import ConfigError
from ocr_trainer.plugin import Context

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's advice on workers and devices

LIMIT = 150  # seconds for a process that must end by itself
LOSSES = {step: 1 / (step + 1) for step in range(20)}


@pytest.fixture
def logger(env: dict[str, str], context: Context) -> Iterator[BackgroundWandbLogger]:
    logger = factory(WandbConfig(), context)
    yield logger
    logger.close()


def test_metrics_are_read_back(logger: BackgroundWandbLogger, context: Context):
    for step, loss in LOSSES.items():
        logger.log_metrics({"train/loss": loss, "lr": torch.tensor(0.25)}, step)
    logger.finalize("success")
    logger.log_metrics({"test/hmean": 0.5}, 20)  # testing follows training
    logger.finalize("success")
    logger.close()
    found = recorded(context.folder)
    assert found.curve("train/loss") == LOSSES
    assert found.curve("lr") == dict.fromkeys(LOSSES, 0.25)
    assert found.curve("test/hmean") == {20: 0.5}
    assert found.exit_code == 0
    assert (found.run.project, found.run.display_name) == ("ocr-trainer", "receipts")
    assert found.run.run_id == logger.version


def test_options_reach_the_run(env: dict[str, str], context: Context):
    config = WandbConfig(
        project_name="p", entity="e", group="g", job_type="j", tags=["a", "b"], notes="n", run_id="r1"
    )
    logger = factory(config, context)
    logger.log_metrics({"a": 1.0}, 0)
    logger.finalize("failed")
    logger.close()
    found = recorded(context.folder)
    run = found.run
    assert (run.project, run.entity, run.run_group, run.job_type) == ("p", "e", "g", "j")
    assert (list(run.tags), run.notes, run.run_id) == (["a", "b"], "n", "r1")
    assert found.exit_code == 1


def test_hyperparameters_before_and_after_the_first_metric(logger: BackgroundWandbLogger, context: Context):
    logger.log_hyperparams({"model": {"lr": 0.01}})
    logger.log_hyperparams(Namespace(seed=3))
    logger.log_metrics({"a": 1.0}, 0)
    logger.log_hyperparams({"late": Path("x")})
    logger.close()
    config = recorded(context.folder).config
    assert config["model"] == {"lr": 0.01}
    assert config["seed"] == 3
    assert config["late"] == "x"


def test_images_keep_their_pixels(logger: BackgroundWandbLogger, context: Context):
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (16, 40, 3), np.uint8) for _ in range(2)]
    originals = [image.copy() for image in images]
    logger.log_image("val", images, step=3, caption=["one", "two"])
    for image in images:
        image[:] = 0  # a caller may reuse its buffers
    logger.close()
    found = recorded(context.folder)
    assert found.curve("val/captions") == {3: ["one", "two"]}
    (names,) = found.curve("val/filenames").values()
    (files,) = context.folder.glob("wandb/offline-run-*/files")
    for name, original in zip(names, originals, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(files / name)), original)


def test_images_beyond_the_limit_are_dropped_with_one_warning(
    env: dict[str, str], context: Context, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, "ocr_trainer")
    logger = factory(WandbConfig(max_images=2), context)
    for step in (1, 2):
        logger.log_image("val", [np.zeros((4, 4, 3), np.uint8)] * 3, step=step)
    logger.close()
    assert recorded(context.folder).curve("val/count") == {1: 2, 2: 2}
    messages = [record.message for record in caplog.records if record.name == "ocr_trainer"]
    assert messages[0] == "wandb: val has 3 images, 2 are kept (logger.wandb.max_images)"
    assert len(messages) == 2  # the other says where the run is


def test_each_image_needs_its_caption(logger: BackgroundWandbLogger):
    with pytest.raises(ValueError, match="val has 2 images, but 1 values of caption"):
        logger.log_image("val", [np.zeros((4, 4, 3), np.uint8)] * 2, step=0, caption=["one"])


class Color(Enum):
    red = 1


@dataclass
class Optimizer:
    lr: float = 0.01
    color: Color = Color.red


def test_a_configuration_becomes_plain():
    values = {"o": Optimizer(), "p": Path("a/b"), "l": (1, None, True), "t": torch.float32, 3: "x"}
    assert plain(values) == {
        "o": {"lr": 0.01, "color": "red"},
        "p": "a/b",
        "l": [1, None, True],
        "t": "torch.float32",
        "3": "x",
    }


# Lightning


class Line(pl.LightningModule):
    def __init__(self, slope: float = 0.5):
        super().__init__()
        self.save_hyperparameters()
        self.weight = torch.nn.Parameter(torch.tensor(slope))
        self.wandb_at_first_step: object = "not asked"

    def training_step(self, batch):
        if self.global_step == 0:
            self.wandb_at_first_step = getattr(self.logger, "_thread", "none")
        loss = (self.weight - 2) ** 2
        self.log("train/loss", loss)
        return loss

    def test_step(self, batch):
        self.log("test/weight", self.weight)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def small_trainer(logger: Logger, *callbacks: pl.Callback) -> pl.Trainer:
    return pl.Trainer(
        max_steps=3,
        log_every_n_steps=1,
        logger=logger,
        callbacks=list(callbacks),
        accelerator="cpu",
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def test_a_training_and_its_test_in_lightning(logger: BackgroundWandbLogger, context: Context):
    trainer = small_trainer(logger)
    model = Line()
    data = torch.utils.data.DataLoader(torch.zeros(3, 1))
    trainer.fit(model, data)
    trainer.test(model, data, verbose=False)
    assert model.wandb_at_first_step is None  # wandb had not started
    logger.close()
    found = recorded(context.folder)
    weights = [0.5]
    for _ in range(3):
        weights.append(weights[-1] - 0.1 * 2 * (weights[-1] - 2))
    expected = {step: pytest.approx((weight - 2) ** 2) for step, weight in enumerate(weights[:3])}
    assert found.curve("train/loss") == expected
    assert found.curve("test/weight") == {3: pytest.approx(weights[3])}
    assert found.config["slope"] == 0.5


def test_experiment_is_wandbs_own_run(logger: BackgroundWandbLogger, context: Context):
    logger.log_hyperparams({"early": 1})
    run = logger.experiment
    assert type(run).__module__ == "wandb.sdk.wandb_run"
    assert isinstance(logger, WandbLogger)
    assert run.id == logger.version
    run.log({"own": 2.0, "trainer/global_step": 5})
    logger.log_text("texts", columns=["text"], data=[["a"]], step=6)  # Lightning's own
    logger.close()
    found = recorded(context.folder)
    assert found.curve("own") == {5: 2.0}
    assert found.config["early"] == 1
    assert [row["trainer/global_step"] for row in found.rows if "texts/_type" in row] == [6]


@pytest.mark.parametrize("reader", ["setup", "on_fit_start", "on_train_batch_end"])
def test_a_hook_that_reads_experiment_gets_the_run(logger: BackgroundWandbLogger, reader: str):
    seen = []
    callback = pl.Callback()
    setattr(callback, reader, lambda trainer, *_, **__: seen.append(trainer.logger.experiment))
    small_trainer(logger, callback).fit(Line(), torch.utils.data.DataLoader(torch.zeros(3, 1)))
    assert all(run is logger.experiment for run in seen)
    assert seen[0].id == logger.version


def test_lightnings_own_logger_opens_its_run_before_the_first_step(env: dict[str, str], context: Context):
    """What `BackgroundWandbLogger` is for: the Trainer reads `experiment` during set-up."""
    opened = []

    class Eager(WandbLogger):
        @property
        def experiment(self):
            opened.append(True)
            return MagicMock()

    class Looking(Line):
        def setup(self, stage):
            self.opened_before_setup = bool(opened)

    model = Looking()
    small_trainer(Eager(save_dir=context.folder)).fit(model, torch.utils.data.DataLoader(torch.zeros(1, 1)))
    assert model.opened_before_setup


def test_lightnings_own_logger_refuses_a_configuration_with_numbers_as_keys(
    env: dict[str, str], context: Context
):
    bare = WandbLogger(save_dir=context.folder, mode="disabled")
    with pytest.raises(AttributeError, match="strip"):
        bare.log_hyperparams({3: "x"})
    bare.experiment.finish()


def test_after_a_failure_experiment_is_a_dummy(
    logger: BackgroundWandbLogger, monkeypatch: pytest.MonkeyPatch
):
    from ocr_trainer_wandb import run

    def fail(*_):
        raise RuntimeError("of wandb")

    monkeypatch.setattr(run, "open_run", fail)
    logger.log_metrics({"a": 1.0}, 0)
    logger.experiment.log({"a": 2.0})  # no error, and no wait
    assert logger.failure == "RuntimeError: of wandb"
    assert isinstance(logger.experiment, DummyExperiment)


def test_a_run_that_logs_nothing_leaves_nothing(logger: BackgroundWandbLogger, context: Context):
    logger.log_hyperparams({"a": 1})
    logger.finalize("failed")
    assert not context.folder.exists()


def test_options_that_wandb_would_refuse_are_reported():
    config = WandbConfig(project_name="a/b", tags=["good", "", "x" * 65], run_id="a b")
    assert list(config.validate()) == [
        "project_name='a/b' is not a valid wandb project name: 1 to 128 characters, none of / \\ # ? % :",
        "tags has '', but a wandb tag has 1 to 64 characters",
        f"tags has '{'x' * 65}', but a wandb tag has 1 to 64 characters",
        "run_id='a b' is not a valid wandb id: use letters, digits, - and _",
    ]
    assert list(WandbConfig(tags=["x" * 64], run_id="a-b_1").validate()) == []


def test_the_description_is_light():
    code = (
        "import sys, ocr_trainer_wandb.plugin\n"
        "heavy = {'torch', 'lightning', 'wandb', 'numpy', 'omegaconf', 'hydra', 'stevedore', 'pydantic'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_logger_does_not_import_wandb_before_the_first_metric(env: dict[str, str], tmp_path: Path):
    code = (
        "import sys; from pathlib import Path; from ocr_trainer.plugin import Context, Task\n"
        "from ocr_trainer_wandb.logger import factory; from ocr_trainer_wandb.plugin import WandbConfig\n"
        "logger = factory(WandbConfig(), Context(task=Task.detection, folder=Path(sys.argv[1])))\n"
        "logger.log_hyperparams({'a': 1})\n"
        "assert 'wandb' not in sys.modules\n"
        "logger.log_metrics({'a': 1}, 0); assert 'wandb' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=LIMIT, env=env)


def test_the_description_names_the_factory():
    assert (wandb.api, wandb.config) == (1, WandbConfig)
    assert wandb.factory == f"{factory.__module__}:{factory.__name__}"


def test_an_unknown_wandb_mode_is_refused(logger, context: Context, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WANDB_MODE", "of")
    with pytest.raises(ConfigError) as refusal:
        factory(WandbConfig(), context)
    assert str(refusal.value) == (
        "WANDB_MODE=of is not a mode of wandb\n"
        "  modes: online, offline, disabled, dryrun, run, shared\n"
        "  set one of them, or: unset WANDB_MODE"
    )
    assert factory(WandbConfig(mode=Mode.offline), context).version is None  # it does not count here
