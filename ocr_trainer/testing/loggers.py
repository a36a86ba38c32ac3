"""Contract suite for loggers."""

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
    """The contract of a logger: a Lightning `Logger` that accepts any metric value, including NaN."""

    kind: ClassVar[Kind] = Kind.logger

    def close(self, logger: Any) -> None:
        """Release a logger's resources; override this if `finalize` leaves something running."""

    def test_it_is_a_lightning_logger(self, tmp_path: Path) -> None:
        """The Trainer reads its name, version and folder."""
        from lightning.pytorch.loggers import Logger

        logger = self.build(self.context(tmp_path))
        assert isinstance(logger, Logger), (
            f"the factory must return a Lightning Logger, not {type(logger).__name__}"
        )
        assert logger.name is None or isinstance(logger.name, str), (
            f"its name must be a string, not {logger.name!r}"
        )
        assert logger.version is None or isinstance(logger.version, int | str), (
            "its version must be an int or a string"
        )
        folder = logger.save_dir
        assert folder is None or Path(folder).is_relative_to(tmp_path), (
            f"save_dir={folder} must be inside context.folder={tmp_path}"
        )
        self.close(logger)

    def test_it_logs_a_whole_run_inside_the_run_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It accepts all calls of a run, in order. If one fails, the traceback shows which."""
        folder, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
        folder.mkdir()
        elsewhere.mkdir()
        monkeypatch.chdir(elsewhere)
        logger = self.build(self.context(folder))
        logger.log_hyperparams(plain(self.run()))
        logger.log_hyperparams({"nested": {"deeper": [1, None, "text"], "flag": True}})
        logger.log_metrics({"train/loss": 1.5, "train/lr": 1e-3}, step=0)
        logger.save()
        # A diverging loss must reach the user instead of failing in the logger.
        logger.log_metrics({"train/loss": math.nan, "train/lr": math.inf}, step=1)
        logger.log_metrics({"val/hmean": 0.5, "epoch": 0}, step=1)
        if hasattr(logger, "log_image"):
            _log_images(logger)
        logger.save()
        logger.finalize("success")
        # After training, the test split is evaluated with the same logger.
        logger.log_metrics({"test/hmean": 0.5}, step=2)
        logger.save()
        logger.finalize("success")
        self.close(logger)
        strays = sorted(path.name for path in elsewhere.iterdir())
        assert not strays, (
            f"a logger must write inside context.folder, not into the working directory: {', '.join(strays)}"
        )

    def test_it_can_be_finalized_after_a_failure(self, tmp_path: Path) -> None:
        """A run that fails early finalizes its loggers, even if nothing was logged."""
        logger = self.build(self.context(tmp_path))
        logger.finalize("failed")
        self.close(logger)

    def test_it_resumes_in_the_folder_of_an_earlier_run(self, tmp_path: Path) -> None:
        """An earlier process logged steps 0 to 3 and died; the run resumes at step 2."""
        for steps, resume_step, status in ((range(4), None, "failed"), (range(2, 6), 2, "success")):
            logger = self.build(replace(self.context(tmp_path), resume_step=resume_step))
            logger.log_hyperparams(plain(self.run()))
            for step in steps:
                logger.log_metrics({"train/loss": 1 / (step + 1)}, step=step)
                logger.save()
            logger.finalize(status)
            self.close(logger)

    def test_it_can_be_disabled(self, tmp_path: Path) -> None:
        """`enabled` is handled by the core and is true by default."""
        from ocr_trainer.engine.build import build_loggers

        on, off = self.run(), self.run(f"{self.prefix}.enabled=false")
        loggers = build_loggers(on, self.context(tmp_path / "on"))
        assert len(loggers) == 1, "`enabled` must be true by default: a user who selects a logger wants it"
        assert build_loggers(off, self.context(tmp_path / "off")) == []
        assert not (tmp_path / "off").exists(), (
            f"a disabled logger must write nothing (it wrote in {tmp_path / 'off'})"
        )
        self.close(loggers[0])


def _log_images(logger: Any) -> None:
    """Log images as the core does: of different sizes, with and without captions."""
    import numpy as np

    images = [np.full((32 + 8 * i, 48, 3), 40 * i, dtype=np.uint8) for i in range(3)]
    before = [image.copy() for image in images]
    logger.log_image("val/detections", images, step=1, caption=["a/1.jpg", "a/2.jpg", "a/3.jpg"])
    logger.log_image("val/detections", images, step=2)
    unchanged = all(map(np.array_equal, images, before))
    assert unchanged, "log_image must not modify the images: other loggers get them, too"
