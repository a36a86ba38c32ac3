"""A small dataset in each format, as its documentation has it, on pictures of noise."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ocr_trainer_json import plugin
from PIL import Image as Pillow

from ocr_trainer.plugin import Context, Task

WIDTH, HEIGHT = 48, 32
BOX = [4, 4, 30, 12]
QUAD = [[4, 4], [30, 4], [30, 12], [4, 12]]
FLAT = [4, 4, 30, 4, 30, 12, 4, 12]
TEXT, UNREADABLE = "영수증, “TOTAL”", "###"


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    path.write_text(text, encoding="utf-8")


def rows(values: list[Any]) -> str:
    return "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values)


def funsd(root: Path, names: list[str]) -> None:
    words = [{"box": BOX, "text": text} for text in (TEXT, "")]
    form = [{"box": BOX, "text": TEXT, "label": "answer", "words": words, "linking": [], "id": 0}]
    for name in names:
        write(root / "training_data" / "annotations" / f"{Path(name).stem}.json", {"form": form})


def coco(names: list[str], prefix: str, outline: str, texts: tuple[str, str], **image: Any) -> dict[str, Any]:
    ids = {f"{n}": name for n, name in enumerate(names, start=522579)}
    anns = {
        f"{key}_{n}": {outline: FLAT, "bbox": [4, 4, 26, 8], "image_id": key, "utf8_string": text}
        for key in ids
        for n, text in enumerate(texts)
    }
    size = {"height": HEIGHT, "width": WIDTH} | image
    imgs = {key: {"id": key, "file_name": f"{prefix}{name}", **size} for key, name in ids.items()}
    return {"cats": {}, "anns": anns, "imgs": imgs, "imgToAnns": {}, "info": {}}


def cocotext(root: Path, names: list[str]) -> None:
    document = coco(names, "", "mask", (TEXT, "gone"), set="train")
    for key, ann in document["anns"].items():
        ann |= {"class": "machine printed", "legibility": "illegible" if key.endswith("1") else "legible"}
    write(root / "cocotext.v2.json", document)


def textocr(root: Path, names: list[str]) -> None:
    document = coco(names, "train/", "points", (TEXT, "."), set="train")
    write(root / "TextOCR_0.1_train.json", {key: document[key] for key in ("info", "imgs", "anns")})


def labelme(root: Path, names: list[str]) -> None:
    for name in names:
        quad = {"label": TEXT, "points": QUAD, "group_id": None, "shape_type": "polygon", "flags": {}}
        box = quad | {"label": UNREADABLE, "points": [[30, 12], [4, 4]], "shape_type": "rectangle"}
        size = {"imagePath": name, "imageData": None, "imageHeight": HEIGHT, "imageWidth": WIDTH}
        document = {"version": "5.5.0", "flags": {}, "shapes": [quad, box], **size}
        write(root / f"{Path(name).stem}.json", document)


def label_studio(root: Path, names: list[str]) -> None:
    place = {"x": 100 * 4 / WIDTH, "y": 12.5, "width": 100 * 26 / WIDTH, "height": 25, "rotation": 0}
    size = {"original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0, "to_name": "image"}
    entries = [
        {"id": f"r{n}", "type": kind, "from_name": kind, "value": place | more, **size}
        for n, text in enumerate((TEXT, UNREADABLE))
        for kind, more in (
            ("rectangle", {}),
            ("labels", {"labels": ["Text"]}),
            ("textarea", {"text": [text]}),
        )
    ]
    annotation = {"id": 7, "completed_by": 1, "result": entries, "was_cancelled": False}
    tasks = [
        {"id": n, "annotations": [annotation], "data": {"ocr": f"/data/upload/1/0a1b2c3d-{name}"}}
        for n, name in enumerate(names)
    ]
    write(root / "project-1-at-2026-01-02-03-04-0a1b2c3d.json", tasks)


def paddleocr(root: Path, names: list[str]) -> None:
    words = [{"transcription": text, "points": QUAD, "difficult": False} for text in (TEXT, UNREADABLE)]
    labels = json.dumps(words, ensure_ascii=False)
    write(root / "Label.txt", "".join(f"{root.name}/{name}\t{labels}\n" for name in names))


def mmocr(root: Path, names: list[str]) -> None:
    instances = [
        {"polygon": FLAT, "bbox": BOX, "bbox_label": 0, "ignore": ignore} for ignore in (False, True)
    ]
    size = {"height": HEIGHT, "width": WIDTH}
    entries = [{"instances": instances, "img_path": name, **size} for name in names]
    info = {"dataset_type": "TextDetDataset", "task_name": "textdet"}
    write(root / "textdet_train.json", {"metainfo": info, "data_list": entries})


def jsonl(root: Path, names: list[str]) -> None:
    words = [{"points": QUAD, "text": TEXT}, {"points": QUAD, "text": None, "ignore": True}]
    write(root / "train.jsonl", rows([{"image": name, "words": words} for name in names]))


FORMATS: dict[str, tuple[Callable[[Path, list[str]], None], str]] = {
    "funsd": (funsd, "training_data/images"),
    "cocotext": (cocotext, "train2014"),
    "textocr": (textocr, "train_images"),
    "labelme": (labelme, "."),
    "label_studio": (label_studio, "images"),
    "paddleocr": (paddleocr, "."),
    "mmocr": (mmocr, "."),
    "jsonl": (jsonl, "."),
}
"""By name: what writes the annotations, and the folder of images."""


@pytest.fixture
def make() -> Callable[[str, Path, int], None]:
    """Write a dataset of some images, each with a word to learn and one that is "don't care"."""

    def make(name: str, root: Path, count: int = 10) -> None:
        annotate, folder = FORMATS[name]
        noise = np.random.default_rng(0).integers(256, size=(count, HEIGHT, WIDTH, 3), dtype=np.uint8)
        names = [f"COCO_train2014_{n:012}.jpg" if name == "cocotext" else f"{n}a.png" for n in range(count)]
        annotate(root, names)
        (root / folder).mkdir(parents=True, exist_ok=True)
        for image, pixels in zip(names, noise, strict=True):
            Pillow.fromarray(pixels).save(root / folder / image)

    return make


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., tuple[Any, Context]]:
    """Open a dataset that lies in `tmp_path`, or elsewhere, without the core."""

    def open_(name: str, root: Path = tmp_path, **options: Any) -> tuple[Any, Context]:
        module, _, factory = getattr(plugin, name).factory.partition(":")
        context = Context(task=Task.detection)
        config = getattr(plugin, name).config(name=name, root=root, **options)
        return getattr(import_module(module), factory)(config, context), context

    return open_


@pytest.fixture
def entries(tmp_path: Path) -> Callable[[Context], list[str]]:
    """What a ledger tells, with paths relative to `tmp_path`."""
    return lambda context: [str(entry).replace(f"{tmp_path}/", "") for entry in context.data_report.skipped]


@pytest.fixture
def picture(tmp_path: Path) -> Callable[..., None]:
    """Write an empty image of 20 x 10 pixels."""

    def picture(*names: str) -> None:
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            Pillow.new("RGB", (20, 10)).save(tmp_path / name)

    return picture
