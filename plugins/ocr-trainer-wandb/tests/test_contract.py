from typing import Any

import pytest

from ocr_trainer.testing import LoggerSuite


@pytest.mark.usefixtures("env")
class TestWandb(LoggerSuite):
    name = "wandb"
    overrides = ("logger.wandb.mode=offline",)

    def close(self, logger: Any) -> None:
        logger.close()
