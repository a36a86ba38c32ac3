"""What `icdar2013`, `icdar2015`, `sroie` and `mtwi` are, in light lines."""

from __future__ import annotations

from ocr_trainer.plugin import DatasetPlugin, Sign, Task
from ocr_trainer.plugin.options import PairedConfig

# What rows look like: of ICDAR 2013, of four corners and no more, and of corners in fractions of pixels.
BOX = r'(?m)^\d+(, |,| )\d+(, |,| )\d+(, |,| )\d+(, |,| )"'
CORNERS = r"(?m)^(-?\d+, ?){8}(?!-?\d+,-?\d+,)"
FRACTIONS = r"(?m)^(-?\d+\.\d+,){8}"

icdar2013 = DatasetPlugin(
    api=1,
    summary="ICDAR 2013 focused scene text (challenge 2): words as upright boxes",
    config=PairedConfig,
    tasks=(Task.detection,),
    factory="ocr_trainer_icdar.dataset:Icdar2013",
    signs=(Sign("*/gt_*.txt", BOX), Sign("*/*/gt_*.txt", BOX)),
)

icdar2015 = DatasetPlugin(
    api=1,
    summary="ICDAR 2015 incidental scene text (challenge 4): words as quadrilaterals",
    config=PairedConfig,
    tasks=(Task.detection,),
    factory="ocr_trainer_icdar.dataset:Icdar2015",
    signs=(Sign("gt/*.txt", CORNERS), Sign("*/gt_img_*.txt", CORNERS), Sign("*/*/gt_img_*.txt", CORNERS)),
)

sroie = DatasetPlugin(
    api=1,
    summary="ICDAR 2019 SROIE scanned receipts: text lines as boxes",
    config=PairedConfig,
    tasks=(Task.detection,),
    factory="ocr_trainer_icdar.dataset:Sroie",
    signs=(
        *(Sign(f"{folder}box/*.{suffix}", CORNERS) for folder in ("", "*/") for suffix in ("csv", "txt")),
        *(Sign(f"{folder}X[05]*.txt", CORNERS) for folder in ("", "*/")),
    ),
)

mtwi = DatasetPlugin(
    api=1,
    summary="ICPR 2018 MTWI web images: text lines as quadrilaterals, most of them Chinese",
    config=PairedConfig,
    tasks=(Task.detection,),
    factory="ocr_trainer_icdar.dataset:Mtwi",
    signs=(Sign("txt_train/*.txt", FRACTIONS), Sign("*.txt", FRACTIONS), Sign("*/*.txt", FRACTIONS)),
)
