"""The plugins `totaltext`, `ctw1500` and `msra_td500`, and how to recognize their folders. A light module."""

from __future__ import annotations

from ocr_trainer.plugin import DatasetPlugin, FormatSignature, Task
from ocr_trainer.plugin.options import PairedConfig

# Patterns of file content: Total-Text's records and rows, CTW1500's rows from its first release and from its
# test set, and MSRA-TD500's rows.
RECORD = r"(?m)^\s*x: *\[\["
POLYGON = r"(?m)^(-?\d+,){10,}"
OFFSETS = r"(?m)^(-?\d+,){31}-?\d+\s*$"
MARKED = r"(?m)^(-?\d+,){6,}####"
ROTATED = r"(?m)^\s*\d+ [01] (-?\d+ ){4}-?\d+(\.\d+)?\s*$"

totaltext = DatasetPlugin(
    api=1,
    summary="Total-Text: words as polygons, many of them curved",
    config=PairedConfig,
    tasks=(Task.detection,),
    factory="ocr_trainer_scenetext.totaltext:TotalText",
    signatures=(
        *(
            FormatSignature(f"{folder}poly_gt_*.mat", r"\AMATLAB 5")
            for folder in ("", "*/", "*/*/", "*/*/*/")
        ),
        *(FormatSignature(f"{folder}poly_gt_*.txt", RECORD) for folder in ("", "*/", "*/*/")),
        *(FormatSignature(f"{folder}poly_gt_*.txt", POLYGON) for folder in ("", "*/", "*/*/")),
        FormatSignature("*_gts/*.*.txt", POLYGON),
    ),
)

ctw1500 = DatasetPlugin(
    api=1,
    summary="SCUT-CTW1500: text lines as polygons of 14 points, many of them curved",
    config=PairedConfig,
    tasks=(Task.detection,),
    factory="ocr_trainer_scenetext.ctw1500:Ctw1500",
    signatures=(
        *(FormatSignature(f"{folder}/*.xml", r"<segs>\s*\d") for folder in ("*", "*/*")),
        *(FormatSignature(f"{folder}/*.txt", OFFSETS) for folder in ("*", "*/*")),
        *(FormatSignature(f"{folder}/*.txt", MARKED) for folder in ("*", "*/*")),
    ),
)

msra_td500 = DatasetPlugin(
    api=1,
    summary="MSRA-TD500: text lines as rotated boxes, English and Chinese, without their texts",
    config=PairedConfig,
    tasks=(Task.detection,),
    factory="ocr_trainer_scenetext.msra_td500:MsraTd500",
    signatures=(FormatSignature("*.gt", ROTATED), FormatSignature("*/*.gt", ROTATED)),
)
