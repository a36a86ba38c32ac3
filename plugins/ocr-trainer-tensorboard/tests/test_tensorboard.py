import subprocess
import sys
from dataclasses import dataclass
from enum import Enum
from io import BytesIO
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from ocr_trainer_tensorboard.logger import FlatTensorBoardLogger, factory
from ocr_trainer_tensorboard.plugin import TensorBoardConfig, tensorboard
from PIL import Image
from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
from tensorboard.backend.event_processing.event_accumulator import IMAGES, EventAccumulator
from tensorboard.context import RequestContext
from tensorboard.plugins import base_plugin
from tensorboard.plugins.hparams import backend_context

from ocr_trainer.plugin import Context, Task

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's advice on workers and devices


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(task=Task.detection, folder=tmp_path / "a $HOME run", exp_name="receipts")


@pytest.fixture
def logger(context: Context) -> FlatTensorBoardLogger:
    return factory(TensorBoardConfig(), context)


def events(logger: FlatTensorBoardLogger) -> EventAccumulator:
    accumulator = EventAccumulator(logger.log_dir, size_guidance={IMAGES: 0})
    accumulator.Reload()
    return accumulator


def scalars(logger: FlatTensorBoardLogger) -> dict[str, list[tuple[int, float]]]:
    accumulator = events(logger)
    return {
        tag: [(e.step, pytest.approx(e.value)) for e in accumulator.Scalars(tag)]
        for tag in accumulator.Tags()["scalars"]
    }


def hparams_page(folder: Path) -> tuple[dict[str, object], set[str]]:
    """What TensorBoard's own backend shows on the HParams page: hyperparameters, metric tags."""
    multiplexer = plugin_event_multiplexer.EventMultiplexer().AddRunsFromDirectory(str(folder))
    multiplexer.Reload()
    provider = data_provider.MultiplexerDataProvider(multiplexer, str(folder))
    backend = backend_context.Context(base_plugin.TBContext(data_provider=provider))
    request = RequestContext()
    runs = backend.hparams_metadata(request, "")
    experiment = backend.experiment_from_metadata(request, "", True, runs, [], None)
    (tags,) = runs.values()
    start = backend_context.metadata.parse_session_start_info_plugin_data(
        tags[backend_context.metadata.SESSION_START_INFO_TAG]
    )
    shown = {info.name for info in experiment.hparam_infos}
    values = {name: getattr(v, v.WhichOneof("kind")) for name, v in start.hparams.items() if name in shown}
    return values, {info.name.tag for info in experiment.metric_infos}


def test_files_go_straight_into_the_run_folder(logger: FlatTensorBoardLogger, context: Context):
    logger.log_metrics({"val/hmean": 0.5}, 3)
    logger.finalize("success")
    assert [p.parent for p in context.folder.rglob("events.*")] == [context.folder / "tensorboard"]
    assert Path(logger.log_dir) == context.folder / "tensorboard"


def test_nothing_is_written_before_something_is_logged(logger: FlatTensorBoardLogger, context: Context):
    logger.finalize("failed")
    assert not context.folder.exists()


def test_scalars_are_read_back(logger: FlatTensorBoardLogger):
    for step in range(5):
        logger.log_metrics({"train/loss": 1 / (step + 1), "lr": torch.tensor(0.01)}, step)
    logger.finalize("success")
    assert scalars(logger) == {
        "train/loss": [(step, 1 / (step + 1)) for step in range(5)],
        "lr": [(step, 0.01) for step in range(5)],
    }


def test_what_is_logged_after_finalize_is_kept(logger: FlatTensorBoardLogger):
    logger.log_metrics({"train/loss": 1.0}, 1)
    logger.finalize("success")
    logger.log_metrics({"test/hmean": 0.75}, 2)
    logger.finalize("success")
    assert scalars(logger) == {"train/loss": [(1, 1.0)], "test/hmean": [(2, 0.75)]}


class Color(Enum):
    red = 1


@dataclass
class Optimizer:
    lr: float = 0.01


def test_hyperparameters_appear_next_to_every_metric(logger: FlatTensorBoardLogger, context: Context):
    logger.log_hyperparams(
        {
            "model": {"name": "dbnet", "optimizer": Optimizer(), "pretrained": True},
            "folder": Path("a/b"),
            "color": Color.red,
            "sizes": [1, 2],
            "none": None,
        }
    )
    logger.log_metrics({"val/hmean": 0.5, "train/loss": 2.0}, 1)
    logger.finalize("success")
    values, metrics = hparams_page(context.folder)
    assert values["model/name"] == "dbnet"
    assert values["model/optimizer/lr"] == 0.01
    assert values["model/pretrained"] == "True"
    assert values["folder"] == "a/b"
    assert {"color", "sizes", "none"} <= values.keys()
    assert metrics == {"val/hmean", "train/loss"}  # all of them, and no hp_metric


def test_metrics_given_with_hyperparameters_are_logged(logger: FlatTensorBoardLogger):
    logger.log_hyperparams({"lr": 0.1}, {"val/hmean": 0.25}, 7)
    logger.finalize("success")
    assert scalars(logger) == {"val/hmean": [(7, 0.25)]}


def test_images_keep_their_pixels(logger: FlatTensorBoardLogger):
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (h, w, 3), np.uint8) for h, w in [(8, 24), (31, 7)]]
    logger.log_image("val/images", images, step=4, caption=["first", ""])
    logger.finalize("success")
    accumulator = events(logger)
    assert sorted(accumulator.Tags()["images"]) == ["val/images/0", "val/images/1"]
    for index, image in enumerate(images):
        (event,) = accumulator.Images(f"val/images/{index}")
        assert event.step == 4
        np.testing.assert_array_equal(np.asarray(Image.open(BytesIO(event.encoded_image_string))), image)
    (tag,) = accumulator.Tags()["tensors"]
    (text,) = accumulator.Tensors(tag)
    assert tag == "val/images/0/text_summary"
    assert text.tensor_proto.string_val == [b"first"]


def test_images_beyond_the_limit_are_dropped_with_one_warning(context: Context, caplog):
    logger = factory(TensorBoardConfig(max_images=2), context)
    for step in (1, 2):
        logger.log_image("val", [np.zeros((4, 4, 3), np.uint8)] * 3, step=step)
    logger.finalize("success")
    assert sorted(events(logger).Tags()["images"]) == ["val/0", "val/1"]
    assert [r.message for r in caplog.records if r.name == "ocr_trainer"] == [
        "tensorboard: val has 3 images, 2 are kept (logger.tensorboard.max_images)"
    ]


def test_each_image_needs_its_caption(logger: FlatTensorBoardLogger):
    with pytest.raises(ValueError, match="shorter"):
        logger.log_image("val", [np.zeros((4, 4, 3), np.uint8)] * 2, step=0, caption=["one"])


def test_lightnings_own_logger_records_no_hyperparameters_without_a_list_of_metrics(context: Context):
    """Why `log_hyperparams` is ours, and why the folder is not Lightning's."""
    bare = TensorBoardLogger(context.folder / "tensorboard", name="", version="", default_hp_metric=False)
    assert "$HOME" not in bare.log_dir  # expanded, although the folder is called that
    bare = TensorBoardLogger(context.folder.parent / "plain", name="", version="", default_hp_metric=False)
    bare.log_hyperparams({"lr": 0.1})
    bare.log_metrics({"val/hmean": 0.5}, 1)
    bare.finalize("success")
    assert "_hparams_/session_start_info" not in EventAccumulator(bare.log_dir).Reload().summary_metadata


class Line(pl.LightningModule):
    def __init__(self, slope: float = 0.5):
        super().__init__()
        self.save_hyperparameters()
        self.weight = torch.nn.Parameter(torch.tensor(slope))

    def training_step(self, batch):
        loss = (self.weight - 2) ** 2
        self.log("train/loss", loss)
        return loss

    def test_step(self, batch):
        self.log("test/weight", self.weight)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def test_a_training_and_its_test_in_lightning(logger: FlatTensorBoardLogger, context: Context):
    trainer = pl.Trainer(
        max_steps=3,
        log_every_n_steps=1,
        logger=logger,
        accelerator="cpu",
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    model = Line()
    data = torch.utils.data.DataLoader(torch.zeros(3, 1))
    trainer.fit(model, data)
    trainer.test(model, data, verbose=False)
    seen = scalars(logger)
    weights = [0.5]
    for _ in range(3):
        weights.append(weights[-1] - 0.1 * 2 * (weights[-1] - 2))
    assert seen["train/loss"] == [(step, (w - 2) ** 2) for step, w in enumerate(weights[:3])]
    assert seen["test/weight"] == [(3, weights[3])]
    values, metrics = hparams_page(context.folder)
    assert values == {"slope": 0.5}
    assert {"train/loss", "test/weight"} <= metrics
    assert "hp_metric" not in metrics


def test_the_description_is_light():
    code = (
        "import sys, ocr_trainer_tensorboard.plugin\n"
        "heavy = {'torch', 'lightning', 'tensorboard', 'numpy', 'omegaconf', 'hydra', 'stevedore'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_description_names_the_factory():
    assert (tensorboard.api, tensorboard.config) == (1, TensorBoardConfig)
    assert tensorboard.factory == f"{factory.__module__}:{factory.__name__}"
