"""A folder of one of these formats is recognized, and no other folder is."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import pytest
from ocr_trainer_scenetext.plugin import ctw1500, msra_td500, totaltext

from ocr_trainer.plugin.discovery import matching_datasets

DATA = Path(os.environ.get("OCR_TRAINER_DATA", Path(__file__).parents[4] / "shared" / "data"))
OURS = {"totaltext": totaltext, "ctw1500": ctw1500, "msra_td500": msra_td500}
CURVE = "131,58,208,49,279,56,346,76,412,101,473,141,530,192,510,246,458,210,405,175,350,151,291,137,228,133,165,134"


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no data in {DATA}")
def test_of_all_real_folders_their_own_are_known() -> None:
    folders = [folder for folder in DATA.rglob("*") if folder.is_dir()]
    known = {folder.relative_to(DATA): set(matching_datasets(folder)) & set(OURS) for folder in folders}
    claimed = {path.parts[0] for path, plugins in known.items() if plugins}
    assert claimed == {"polygons_totaltext_mini"}
    assert known[Path("polygons_totaltext_mini")] == {"totaltext"}
    assert set().union(*known.values()) == {"totaltext"}


@pytest.mark.parametrize(
    ("file", "content", "plugin"),
    [
        ("Groundtruth/Polygon/Train/poly_gt_img1.mat", "MATLAB 5.0 MAT-file, Platform: MACI64", "totaltext"),
        ("txt_format/Test/poly_gt_img1.txt", "x: [[1 2 3]], y: [[1 2\n 3]], ornt: [u'c'],", "totaltext"),
        ("train_gts/img1.jpg.txt", "1,2,3,4,5,6,7,8,9,10,word\n", "totaltext"),
        ("gt/poly_gt_img1.txt", f"{CURVE},word\n", "totaltext"),
        (
            "ctw1500_train_labels/0001.xml",
            f"<Annotations><image><box><label/><segs>{CURVE}</segs>",
            "ctw1500",
        ),
        ("gt_ctw1500/0001001.txt", f"\ufeff{CURVE},####CARE\r\n", "ctw1500"),
        ("train/text_label_curve/1.txt", f"131,58,530,246,{CURVE}\n", "ctw1500"),
        ("train/IMG_0030.gt", "0 0 644 263 153 66 -0.128558\n", "msra_td500"),
        ("train/IMG_0030.gt", "a row of words\n", None),
        ("train_gts/gt_img_1.txt", "377,117,463,117,465,130,378,130,Genaxis\n", "icdar2015"),
        ("labels/0001.xml", "<annotation><object><bndbox>", None),
    ],
)
def test_made_folders(tmp_path: Path, file: str, content: str, plugin: str | None) -> None:
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(content, encoding="utf-8")
    known = set(matching_datasets(tmp_path))
    assert known & set(OURS) == {plugin} & set(OURS)
    assert known <= {plugin}


@pytest.mark.parametrize("plugin", OURS.values(), ids=OURS)
def test_the_descriptions_lead_to_the_factories(plugin) -> None:
    module, name = plugin.factory.split(":")
    assert callable(getattr(importlib.import_module(module), name).read)
