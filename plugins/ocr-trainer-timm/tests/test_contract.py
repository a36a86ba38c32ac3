from pathlib import Path

import pytest

from ocr_trainer.testing import BackboneSuite


class TestTimm(BackboneSuite):
    name = "timm/resnet18"

    def backbone(self, folder: Path, seed: int = 0):
        pytest.importorskip("timm", exc_type=ImportError)
        return super().backbone(folder, seed)
