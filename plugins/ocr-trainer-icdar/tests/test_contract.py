import os
from pathlib import Path

import pytest

from ocr_trainer.testing import DatasetSuite

DATA = Path(os.environ.get("OCR_TRAINER_DATA", Path(__file__).parents[4] / "shared" / "data"))
RECEIPTS, SCENES = DATA / "receipts_sroie2019", DATA / "scene_icdar2015"


@pytest.mark.skipif(not RECEIPTS.is_dir(), reason=f"no receipts in {RECEIPTS}")
class TestSroie(DatasetSuite):
    name = "sroie"
    overrides = (f"dataset.root='{RECEIPTS}'",)


@pytest.mark.skipif(not SCENES.is_dir(), reason=f"no scenes in {SCENES}")
class TestIcdar2015(DatasetSuite):
    name = "icdar2015"
    overrides = (f"dataset.root='{SCENES}'",)
