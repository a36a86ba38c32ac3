"""What a logger has to keep."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ocr_trainer.config.schema import plain
from ocr_trainer.plugin import Kind
from ocr_trainer.testing.plugins import PluginSuite

if TYPE_CHECKING:
    import pytest


class LoggerSuite(PluginSuite):
    """The contract of a logger: a Lightning `Logger` that no figure can upset."""

    kind: ClassVar[Kind] = Kind.logger

    def close(self, logger: Any) -> None:
        """Let go of a logger; override it where `finalize` leaves something running."""

    def test_it_is_a_lightning_logger(self, tmp_path: Path) -> None:
        """The Trainer asks it for its name, version and folder."""
        from lightning.pytorch.loggers import Logger

        logger = self.build(self.context(tmp_path))
        assert isinstance(logger, Logger), (
            f"the factory must return a Lightning Logger, not {type(logger).__name__}"
        )
        assert logger.name is None or isinstance(logger.name, str), (
            f"its name must be text, not {logger.name!r}"
        )
        assert logger.version is None or isinstance(logger.version, int | str), (
            "its version must be a number or text"
        )
        place = logger.save_dir
        assert place is None or Path(place).is_relative_to(tmp_path), (
            f"save_dir={place} must lie below context.folder={tmp_path}"
        )
        self.close(logger)

    def test_it_records_a_whole_run_below_the_runs_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What the core calls, in the order of a run; the traceback shows what the logger refuses."""
        folder, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
        folder.mkdir()
        elsewhere.mkdir()
        monkeypatch.chdir(elsewhere)
        logger = self.build(self.context(folder))
        logger.log_hyperparams(plain(self.run()))
        logger.log_hyperparams({"nested": {"deeper": [1, None, "text"], "flag": True}})
        logger.log_metrics({"train/loss": 1.5, "train/lr": 1e-3}, step=0)
        logger.save()
        # A loss that diverges must reach the user, not end in the logger.
        logger.log_metrics({"train/loss": math.nan, "train/lr": math.inf}, step=1)
        logger.log_metrics({"val/hmean": 0.5, "epoch": 0}, step=1)
        if hasattr(logger, "log_image"):
            _log_pictures(logger)
        logger.save()
        logger.finalize("success")
        # Testing follows training, with the same logger.
        logger.log_metrics({"test/hmean": 0.5}, step=2)
        logger.save()
        logger.finalize("success")
        self.close(logger)
        strays = sorted(path.name for path in elsewhere.iterdir())
        assert not strays, (
            f"a logger writes below context.folder, not into the working directory: {', '.join(strays)}"
        )

    def test_it_ends_well_after_a_failure(self, tmp_path: Path) -> None:
        """A run that stops early tells its loggers, though they may not have heard a thing."""
        logger = self.build(self.context(tmp_path))
        logger.finalize("failed")
        self.close(logger)

    def test_it_goes_on_in_the_folder_of_a_resumed_run(self, tmp_path: Path) -> None:
        """An earlier part has logged steps 0 to 3 and died; the run goes on at step 2."""
        for steps, resume_step, status in ((range(4), None, "failed"), (range(2, 6), 2, "success")):
            logger = self.build(replace(self.context(tmp_path), resume_step=resume_step))
            logger.log_hyperparams(plain(self.run()))
            for step in steps:
                logger.log_metrics({"train/loss": 1 / (step + 1)}, step=step)
                logger.save()
            logger.finalize(status)
            self.close(logger)

    def test_it_can_be_switched_off(self, tmp_path: Path) -> None:
        """`enabled` is the core's to look at, and true unless the user says otherwise."""
        from ocr_trainer.engine.build import build_loggers

        on, off = self.run(), self.run(f"{self.prefix}.enabled=false")
        loggers = build_loggers(on, self.context(tmp_path / "on"))
        assert len(loggers) == 1, "`enabled` must be true by default: a user who names a logger wants it"
        assert build_loggers(off, self.context(tmp_path / "off")) == []
        assert not (tmp_path / "off").exists(), (
            f"switched off, it must write nothing (it wrote in {tmp_path / 'off'})"
        )
        self.close(loggers[0])


def _log_pictures(logger: Any) -> None:
    """Log pictures as the core does: of different sizes, with captions and without."""
    import numpy as np

    pictures = [np.full((32 + 8 * i, 48, 3), 40 * i, dtype=np.uint8) for i in range(3)]
    before = [picture.copy() for picture in pictures]
    logger.log_image("val/detections", pictures, step=1, caption=["a/1.jpg", "a/2.jpg", "a/3.jpg"])
    logger.log_image("val/detections", pictures, step=2)
    unchanged = all(map(np.array_equal, pictures, before))
    assert unchanged, "log_image must leave the pictures as they are: other loggers get them, too"
