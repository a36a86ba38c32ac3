"""Every reader of annotations, and how to lay one annotation beside one image so that it reads it."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
from PIL import Image as Pillow

from ocr_trainer.errors import DataError
from ocr_trainer.plugin import Context, DataReport, Kind, Task, discovery
from ocr_trainer.text import normalize

WIDTH, HEIGHT = 48, 32
BOX = [4, 4, 30, 12]
QUAD = [[4, 4], [30, 4], [30, 12], [4, 12]]
FLAT = [4, 4, 30, 4, 30, 12, 4, 12]
RING = [4, 4, 8, 4, 12, 4, 16, 4, 20, 4, 24, 4, 30, 4, 30, 12, 24, 12, 20, 12, 16, 12, 12, 12, 8, 12, 4, 12]
SIZE = {"height": HEIGHT, "width": WIDTH}


@dataclass(frozen=True)
class Reader:
    """A dataset plugin and an annotation that it reads, in one of the forms that it knows."""

    dataset: str
    file: str
    """Where the annotation lies, relative to the folder."""
    valid: bytes
    """One without fault."""
    image: str = "a.png"
    task: Task = Task.detection

    def lay(self, root: Path) -> None:
        """Write the image that the annotation belongs to."""
        image = root / self.image
        (root / self.file).parent.mkdir(parents=True, exist_ok=True)
        image.parent.mkdir(parents=True, exist_ok=True)
        image.write_bytes(picture())

    def read(self, root: Path, annotation: bytes) -> tuple[list[Any], DataReport]:
        """Return the samples that an annotation makes, through the dataset's own factory.

        Raises:
            DataError: The annotation is refused.
        """
        (root / self.file).write_bytes(annotation)
        data_report = DataReport()
        context = Context(task=self.task, data_report=data_report)
        config, factory = _plugin(self.dataset)
        dataset = factory(config(name=self.dataset, root=root, val_share=0.0), context)
        return [sample for split in _splits(dataset) for sample in _samples(split, data_report)], data_report


@cache
def _plugin(name: str) -> tuple[Any, Any]:
    """Return the options and the factory of a dataset."""
    return discovery.load(Kind.dataset, name).config, discovery.resolve(Kind.dataset, name)


def _splits(dataset: Any) -> Iterator[Any]:
    splits = (getattr(dataset, name) for name in ("train", "val", "test"))
    return (split for split in splits if split is not None)


def _samples(split: Any, data_report: DataReport) -> Iterator[Any]:
    for text in getattr(split, "texts", ()):
        try:
            normalize.clean(text)
        except ValueError:  # what the surveys of texts expect
            continue
    for index in range(len(split)):
        try:
            sample = split[index]
        except DataError as fault:
            data_report.skip_image(split.name_of(index) if hasattr(split, "name_of") else "", str(fault))
        else:
            data_report.skipped += sample.skipped
            yield sample


@cache
def picture() -> bytes:
    """Return a PNG of noise."""
    noise = np.random.default_rng(0).integers(256, size=(HEIGHT, WIDTH, 3), dtype=np.uint8)
    file = io.BytesIO()
    Pillow.fromarray(noise).save(file, "PNG")
    return file.getvalue()


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _row(numbers: list[int], *more: str) -> bytes:
    return ",".join([*map(str, numbers), *more]).encode() + b"\n"


def _coco(outline: str, prefix: str = "") -> bytes:
    image = {"id": 7, "file_name": f"{prefix}a.png", "set": "train", **SIZE}
    mark = {
        outline: FLAT,
        "bbox": [4, 4, 26, 8],
        "image_id": 7,
        "utf8_string": "TOTAL",
        "legibility": "legible",
    }
    return _json({"imgs": {"7": image}, "anns": {"7_1": mark, "7_2": mark | {"utf8_string": "."}}})


def _studio() -> bytes:
    size = {"original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0}
    place = {"x": 10, "y": 12.5, "width": 50, "height": 25, "rotation": 5}
    entries = [
        {"id": "r1", "type": "rectangle", "value": place, **size},
        {"id": "r1", "type": "textarea", "value": place | {"text": ["TOTAL"]}, **size},
        {"id": "r2", "type": "polygon", "value": {"points": [[10, 10], [60, 10], [60, 60]]}, **size},
    ]
    annotation = {"id": 7, "result": entries, "was_cancelled": False, "ground_truth": True}
    return _json([{"id": 1, "annotations": [annotation], "data": {"ocr": "/data/upload/1/0a1b2c3d-a.png"}}])


def _mat() -> bytes:
    from scipy.io import savemat

    row = ["x:", np.array([[4, 30, 30, 4]]), "y:", np.array([[4, 4, 12, 12]]), "TOTAL", "h"]
    cells = np.empty((1, len(row)), dtype=object)
    cells[0] = row
    file = io.BytesIO()
    savemat(file, {"polygt": cells})
    return file.getvalue()


def database(without: str = "") -> bytes:
    """Return an LMDB of three samples, but for one of its keys."""
    content = {"num-samples": b"3"}
    for number in range(1, 4):
        content |= {f"image-{number:09}": picture(), f"label-{number:09}": b"TOTAL"}
    with tempfile.TemporaryDirectory() as folder:
        with lmdb.open(folder, map_size=1 << 20) as environment, environment.begin(write=True) as view:
            for key, value in content.items():
                if key != without:
                    view.put(key.encode(), value)
        return Path(folder, "data.mdb").read_bytes()


POINTS = " ".join(f"{x},{y}" for x, y in QUAD)
PAGE = f"""<?xml version="1.0" encoding="UTF-8"?>
<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15">
<Page imageFilename="a.png" imageWidth="{WIDTH}" imageHeight="{HEIGHT}">
<TextRegion id="r"><Coords points="{POINTS}"/><TextLine id="l"><Coords points="{POINTS}"/>
<Word id="w"><Coords points="{POINTS}"/><TextEquiv index="0"><Unicode>TOTAL</Unicode></TextEquiv></Word>
<TextEquiv><Unicode>TOTAL 5 &amp; 6</Unicode></TextEquiv></TextLine></TextRegion></Page></PcGts>"""
ALTO = f"""<alto xmlns="http://www.loc.gov/standards/alto/ns-v4#"><Description>
<MeasurementUnit>pixel</MeasurementUnit><sourceImageInformation><fileName>a.png</fileName>
</sourceImageInformation></Description><Layout><Page WIDTH="{WIDTH}" HEIGHT="{HEIGHT}"><PrintSpace>
<TextBlock HPOS="4" VPOS="4" WIDTH="26" HEIGHT="8"><TextLine HPOS="4" VPOS="4" WIDTH="26" HEIGHT="8">
<Shape><Polygon POINTS="{POINTS}"/></Shape><String CONTENT="TOTAL" HPOS="4" VPOS="4" WIDTH="26" HEIGHT="8"/>
<SP/><String CONTENT="5"/><HYP CONTENT="-"/></TextLine></TextBlock></PrintSpace></Page></Layout></alto>"""
CTW = f"""<Annotations><image file="a.png"><box height="8" left="4" top="4" width="26">
<label>TOTAL &amp; 5</label><segs>{",".join(map(str, RING))}</segs></box></image></Annotations>"""
RECORD = b"x: [[4 30 30 4]], y: [[4 4 12 12]], ornt: [u'h'], transcriptions: [u'TOTAL']\n"
WORD = {"points": QUAD, "text": "TOTAL"}
LINE = {"task": Task.recognition}

READERS: dict[str, Reader] = {
    "icdar2013": Reader(
        "icdar2013", "gt/gt_a.txt", b'4, 4, 30, 12, "TOTAL"\n4 14 30 20 "5"\n', "images/a.png"
    ),
    "icdar2015": Reader("icdar2015", "gt/gt_a.txt", _row(FLAT, "TOTAL") + _row(FLAT, "###"), "images/a.png"),
    "sroie": Reader("sroie", "box/a.csv", _row(FLAT, "TOTAL, 5") + _row(FLAT, "**"), "img/a.png"),
    "mtwi": Reader("mtwi", "txt_train/a.txt", _row(FLAT, "TOTAL"), "image_train/a.png"),
    "totaltext rows": Reader("totaltext", "a.png.txt", _row(FLAT, "TOTAL") + _row(FLAT, "###")),
    "totaltext records": Reader("totaltext", "poly_gt_a.txt", RECORD * 2),
    "totaltext matlab": Reader("totaltext", "poly_gt_a.mat", _mat()),
    "ctw1500 rows": Reader("ctw1500", "a.txt", _row(RING, "####TOTAL") + _row([4, 4, 30, 12, *RING])),
    "ctw1500 xml": Reader("ctw1500", "a.xml", CTW.encode()),
    "msra_td500": Reader("msra_td500", "a.gt", b"0 0 4 4 26 8 0.1\n1 1 4 14 26 8 -0.2\n"),
    "funsd": Reader(
        "funsd",
        "annotations/a.json",
        _json({"form": [{"box": BOX, "text": "TOTAL 5", "words": [{"box": BOX, "text": "TOTAL"}]}]}),
        "images/a.png",
    ),
    "cocotext": Reader("cocotext", "cocotext.v2.json", _coco("mask")),
    "textocr": Reader("textocr", "TextOCR_0.1_train.json", _coco("points", "train/")),
    "labelme": Reader(
        "labelme",
        "a.json",
        _json(
            {
                "shapes": [
                    {"label": "TOTAL", "points": QUAD, "shape_type": "polygon", "flags": {}},
                    {
                        "label": "5",
                        "points": [[20, 12], [24, 12]],
                        "shape_type": "circle",
                        "flags": {"ignore": True},
                    },
                ],
                "imageHeight": HEIGHT,
                "imageWidth": WIDTH,
            }
        ),
    ),
    "label_studio": Reader("label_studio", "annotations.json", _studio()),
    "paddleocr": Reader(
        "paddleocr", "Label.txt", b"x/a.png\t" + _json([{"transcription": "TOTAL", "points": QUAD}]) + b"\n"
    ),
    "mmocr": Reader(
        "mmocr",
        "textdet_train.json",
        _json(
            {
                "data_list": [
                    {"img_path": "a.png", "instances": [{"polygon": FLAT, "bbox": BOX, "ignore": 0}], **SIZE}
                ]
            }
        ),
    ),
    "mmocr coco": Reader(
        "mmocr",
        "instances_train.json",
        _json(
            {
                "images": [{"id": 1, "file_name": "a.png", **SIZE}],
                "annotations": [{"image_id": 1, "segmentation": [FLAT], "bbox": [4, 4, 26, 8], "iscrowd": 0}],
            }
        ),
    ),
    "mmocr rows": Reader(
        "mmocr",
        "train.txt",
        _json({"file_name": "a.png", "annotations": [{"box": FLAT, "text": "TOTAL"}], **SIZE}) + b"\n",
    ),
    "mmocr texts": Reader(
        "mmocr",
        "textrecog_train.json",
        _json({"data_list": [{"img_path": "a.png", "instances": [{"text": "TOTAL"}]}]}),
        **LINE,
    ),
    "jsonl": Reader("jsonl", "train.jsonl", _json({"image": "a.png", "words": [WORD, WORD], **SIZE}) + b"\n"),
    "jsonl texts": Reader("jsonl", "train.jsonl", _json({"image": "a.png", "text": "TOTAL"}) + b"\n", **LINE),
    "ufo": Reader(
        "ufo",
        "ufo/train.json",
        _json(
            {
                "images": {
                    "a.png": {
                        "img_h": HEIGHT,
                        "img_w": WIDTH,
                        "words": {"1": {"points": QUAD, "transcription": "TOTAL"}},
                    }
                }
            }
        ),
        "img/a.png",
    ),
    "page_xml": Reader("page_xml", "page/a.xml", PAGE.encode(), "images/a.png"),
    "page_xml texts": Reader("page_xml", "page/a.xml", PAGE.encode(), "images/a.png", **LINE),
    "alto_xml": Reader("alto_xml", "alto/a.xml", ALTO.encode(), "images/a.png"),
    "words tab": Reader("words", "train.txt", b"a.png\tTOTAL\nb.png\tnone\n", **LINE),
    "words quoted": Reader("words", "gt.txt", b'a.png, "TOT\\"AL"\n', **LINE),
    "words csv": Reader("words", "labels.csv", b'filename,words\n"a.png","TO,TAL"\na.png,5\n', **LINE),
    "words mjsynth": Reader(
        "words", "annotation_train.txt", b"./1/2/3_TOTAL_4.jpg 4\n", "1/2/3_TOTAL_4.jpg", **LINE
    ),
    "lines": Reader("lines", "a.gt.txt", b"TOTAL 5\n", **LINE),
    "lmdb": Reader("lmdb", "data.mdb", database(), **LINE),
}
"""By a name for each form of annotation."""
