"""What `icdar2013`, `icdar2015`, `sroie` and `mtwi` are, in light lines."""

from __future__ import annotations

from ocr_trainer.plugin import DatasetPlugin, FormatSignature, Task
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
    signatures=(FormatSignature("*/gt_*.txt", BOX), FormatSignature("*/*/gt_*.txt", BOX)),
)

icdar2015 = DatasetPlugin(
    api=1,
    summary="ICDAR 2015 incidental scene text (challenge 4): words as quadrilaterals",
    config=PairedConfig,
    tasks=(Task.detection,),
    factory="ocr_trainer_icdar.dataset:Icdar2015",
    signatures=(
        FormatSignature("gt/*.txt", CORNERS),
        FormatSignature("*/gt_img_*.txt", CORNERS),
        FormatSignature("*/*/gt_img_*.txt", CORNERS),
    ),
)

sroie = DatasetPlugin(
    api=1,
    summary="ICDAR 2019 SROIE scanned receipts: text lines as boxes",
    config=PairedConfig,
    tasks=(Task.detection,),
    factory="ocr_trainer_icdar.dataset:Sroie",
    signatures=(
        *(
            FormatSignature(f"{folder}box/*.{suffix}", CORNERS)
            for folder in ("", "*/")
            for suffix in ("csv", "txt")
        ),
        *(FormatSignature(f"{folder}X[05]*.txt", CORNERS) for folder in ("", "*/")),
    ),
)

mtwi = DatasetPlugin(
    api=1,
    summary="ICPR 2018 MTWI web images: text lines as quadrilaterals, most of them Chinese",
    config=PairedConfig,
    tasks=(Task.detection,),
    factory="ocr_trainer_icdar.dataset:Mtwi",
    signatures=(
        FormatSignature("txt_train/*.txt", FRACTIONS),
        FormatSignature("*.txt", FRACTIONS),
        FormatSignature("*/*.txt", FRACTIONS),
    ),
)
