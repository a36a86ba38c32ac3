"""RapidOCR's weights, loaded and exported again, are run by RapidOCR as its own files are."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import ocr_trainer

pytest.importorskip("rapidocr")
RECEIPTS = Path(os.environ.get("OCR_TRAINER_DATA", "")) / "receipts_sroie2019"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not RECEIPTS.is_dir(), reason="the shared data is missing (set OCR_TRAINER_DATA)"),
]


def engine(**params: Any) -> Any:
    from rapidocr import RapidOCR

    return RapidOCR(params={"Global.log_level": "critical", **params})


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """RapidOCR's parameters for the exports of the models that were loaded from its own files."""
    folder = tmp_path_factory.mktemp("exports")
    paths = {"Det.model_path": folder / "ppocrv6_det", "Rec.model_path": folder / "ppocrv6_rec"}
    for out in paths.values():
        ocr_trainer.export(out.name, "rapidocr", out, gate=False)
        params = json.loads((out / "params.json").read_text())
        assert params.get("Rec.rec_img_shape", [3, 48, 320]) == [3, 48, 320], "RapidOCR's own shape"
    return {key: str(out / "model.onnx") for key, out in paths.items()}


@pytest.mark.parametrize("count", [3, 50])
@pytest.mark.parametrize(
    ("batch", "least"),
    [
        (1, 0.995),
        # RapidOCR fills the lines of a batch up to the widest. Its own file reads the filling, too, so that a text
        # depends on its neighbors; the export leaves it out.
        (6, 0.97),
    ],
)
def test_rapidocr_reads_the_same(count: int, batch: int, least: float, exports: dict[str, str]):
    own, exported = (engine(**{"Rec.rec_batch_num": batch, **paths}) for paths in ({}, exports))
    boxes = texts = same = moved = 0
    for name in (RECEIPTS / "val.txt").read_text().split()[:count]:
        image = cv2.imread(str(RECEIPTS / "img" / f"{name}.jpg"))
        wanted, found = own(image, use_cls=False), exported(image, use_cls=False)
        assert len(found.txts) == len(wanted.txts), name
        boxes += len(wanted.boxes)
        moved += int((np.abs(found.boxes - wanted.boxes).max(axis=(1, 2)) > 0).sum())
        texts += len(wanted.txts)
        same += sum(a == b for a, b in zip(found.txts, wanted.txts, strict=True))
    print(f"{count} receipts: {same} of {texts} texts the same, {boxes - moved} of {boxes} boxes the same")
    assert texts > 10 * count
    assert same >= least * texts
    assert moved <= 0.005 * boxes
