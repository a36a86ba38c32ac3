"""A logger that fails costs one warning; one of a resumed run goes on where it was."""

from __future__ import annotations

import csv
import pickle
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
from helpers.lines import Faulty, Line, fit
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from ocr_trainer.engine.build import build
from ocr_trainer.engine.loggers import SafeLogger, close, failures
from ocr_trainer.errors import ConfigError, PluginBroken
from ocr_trainer.plugin import Context, Kind, Task, discovery

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's advice on workers and devices

CSV = discovery.find(Kind.logger, "csv")


def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.name == "ocr_trainer"]


@pytest.mark.parametrize("place", Faulty.PLACES)
def test_case_45_a_logger_that_raises_is_off_with_one_warning(place: str, tmp_path: Path, caplog):
    faulty, sound = Faulty(place), Faulty("")
    loggers = [SafeLogger(CSV, lambda: faulty), SafeLogger(CSV, lambda: sound)]
    trainer = fit(Line(), loggers, 4, ModelCheckpoint(tmp_path, every_n_train_steps=2))
    for logger in loggers:
        logger.log_hyperparams({"a": 1})
        _ = logger.name, logger.version, logger.save_dir
    close(loggers)
    assert trainer.global_step == 4
    assert faulty.asked.count(place) == 1
    assert faulty.asked[-1] == place  # and nothing after it
    assert set(sound.asked) == set(Faulty.PLACES)
    assert failures(loggers[:1]) == {"csv": f"OSError: of {place}"}
    assert failures(loggers[1:]) == {}
    assert warned(caplog) == [
        f"the logger 'csv' (ocr-trainer {CSV.version}) is now off, the run is not affected: "
        f"OSError: of {place}"
    ]


def test_case_45_the_error_of_the_training_is_the_one_that_is_raised(caplog):
    loggers = [SafeLogger(CSV, lambda: Faulty("finalize"))]
    with pytest.raises(ZeroDivisionError, match="of the training"):
        fit(Line(fails_at=2), loggers, 4)
    assert failures(loggers) == {"csv": "OSError: of finalize"}
    assert len(warned(caplog)) == 1


def test_case_45_a_factory_that_fails_costs_a_warning_but_a_mistake_is_told(caplog):
    def make(error: Exception) -> Logger:
        raise error

    logger = SafeLogger(CSV, partial(make, OSError("no place")))
    fit(Line(), [logger], 2)
    assert not hasattr(logger, "log_image")
    assert failures([logger]) == {"csv": "OSError: no place"}
    assert len(warned(caplog)) == 1
    for mistake in (ConfigError("option"), PluginBroken("not a logger")):
        with pytest.raises(type(mistake)):
            SafeLogger(CSV, partial(make, mistake))


def test_case_45_a_contained_logger_has_what_the_logger_has(monkeypatch):
    with_pictures = SafeLogger(CSV, lambda: Faulty("log_metrics"))
    copy = pickle.loads(pickle.dumps(SafeLogger(CSV, partial(Faulty, "")).plugin)) == CSV
    without = SafeLogger(CSV, partial(build, Kind.logger, _config("csv"), _context(Path("x"))))
    assert copy
    assert [hasattr(with_pictures, name) for name in ("log_image", "close", "experiment", "other")] == [
        *(True, True, True),
        False,
    ]
    assert not hasattr(without, "log_image")
    with_pictures.log_metrics({"a": 1.0}, step=0)
    assert hasattr(with_pictures, "log_image")
    assert not hasattr(with_pictures, "other")
    with_pictures.experiment.add_scalar("a", 1)  # off: nothing comes of it
    elsewhere = SafeLogger(CSV, lambda: Faulty("log_metrics"))
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    elsewhere.log_metrics({"a": 1.0}, step=0)
    assert failures([elsewhere]) == {}


def _context(folder: Path, resume_step: int | None = None) -> Context:
    return Context(task=Task.detection, folder=folder, resume_step=resume_step)


def _config(name: str):
    return discovery.load(Kind.logger, name).config(name=name)


def logger(name: str, folder: Path, resume_step: int | None = None) -> SafeLogger:
    make = partial(build, Kind.logger, _config(name), _context(folder, resume_step))
    return SafeLogger(discovery.find(Kind.logger, name), make)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    if not shutil.which("mount"):
        pytest.skip("no mount here")
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, timeout=30, check=False).returncode:
        pytest.skip("only root can mount a small disk")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], timeout=30, check=True)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ["csv", "tensorboard"])
@pytest.mark.parametrize("left", [0, 4, 8, 12, 20])
def test_case_44_a_full_disk_puts_the_logger_off(name: str, left: int, disk: Path, caplog):
    (disk / "filler").write_bytes(bytes((64 - left) * 1024 - 4096))
    full, sound = logger(name, disk), SafeLogger(CSV, lambda: Faulty(""))
    trainer = fit(Line(figures=15), [full, sound], 120)
    assert trainer.global_step == 120
    assert "No space left on device" in failures([full, sound])[name]
    assert failures([sound]) == {}
    assert [name in line and "No space left" in line for line in warned(caplog)] == [True]


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "csv" / "metrics.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("saved", [3, 4, 6])  # 4 and 6: before the validation of that step
def test_a_resumed_run_has_each_step_once_in_metrics_csv(saved: int, tmp_path: Path):
    fit(Line(), [logger("csv", tmp_path / "whole")], 10)
    keeper = ModelCheckpoint(tmp_path, filename="saved", every_n_train_steps=saved)
    with pytest.raises(ZeroDivisionError):
        fit(Line(fails_at=7), [logger("csv", tmp_path / "cut")], 10, keeper)
    with (tmp_path / "cut" / "csv" / "metrics.csv").open("a", encoding="utf-8") as file:
        file.write("0,7")  # the machine died while it wrote
    cut = logger("csv", tmp_path / "cut", resume_step=torch.load(keeper.best_model_path)["global_step"])
    fit(Line(), [cut], 10, start=Path(keeper.best_model_path))
    assert rows(tmp_path / "cut") == rows(tmp_path / "whole")
    assert len(rows(tmp_path / "whole")) == 15
    assert sorted(path.name for path in (tmp_path / "cut" / "csv").iterdir()) == ["metrics.csv"]


def test_a_resumed_run_has_each_step_once_in_tensorboard(tmp_path: Path):
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    for start, end, resume_step in ((0, 6, None), (4, 8, 4)):
        part = logger("tensorboard", tmp_path, resume_step)
        for step in range(start, end):
            part.log_metrics({"loss": 10.0 * step + start}, step)
        part.finalize("success")
    folder = tmp_path / "tensorboard"
    assert len(list(folder.iterdir())) == 2
    accumulator = accumulators.EventAccumulator(str(folder))
    accumulator.Reload()
    seen = [(event.step, event.value) for event in accumulator.Scalars("loss")]
    assert seen == [(step, 10.0 * step) for step in range(4)] + [
        (step, 10.0 * step + 4) for step in range(4, 8)
    ]
