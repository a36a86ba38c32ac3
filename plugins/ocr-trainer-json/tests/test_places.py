"""Shapes that are no polygon, and photographs that are stored turned, in the formats of labeling tools."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ocr_trainer_json.brush import brush_box
from PIL import Image as Pillow
from shapely import Point, Polygon
from shapely.affinity import rotate, scale

WIDTH, HEIGHT = 48, 32


def encoded(mask: np.ndarray) -> list[int]:
    """A mask as Label Studio's brush has it, in runs; numbers of pixels in 16 bits."""
    values = np.repeat(mask.ravel().astype(int) * 255, 4)
    bits = f"{len(values):032b}{7:05b}{0:04b}{3:04b}{7:04b}{15:04b}"
    starts = [0, *np.flatnonzero(np.diff(values)) + 1, len(values)]
    for first, last in pairwise(starts):
        bits += f"1{3:02b}{last - first - 1:016b}{values[first]:08b}"
    bits += "0" * (-len(bits) % 8)
    return [int(bits[place : place + 8], 2) for place in range(0, len(bits), 8)]


def literal(mask: np.ndarray) -> list[int]:
    """The same without runs, four values at a time."""
    values = np.repeat(mask.ravel().astype(int) * 255, 4)
    bits = f"{len(values):032b}{7:05b}{0:04b}{3:04b}{7:04b}{15:04b}"
    for first in range(0, len(values), 4):
        bits += f"0{1:02b}{3:04b}" + "".join(f"{value:08b}" for value in values[first : first + 4])
    bits += "0" * (-len(bits) % 8)
    return [int(bits[place : place + 8], 2) for place in range(0, len(bits), 8)]


@pytest.mark.parametrize("code", [encoded, literal])
@pytest.mark.parametrize(
    ("rows", "columns"),
    [((4, 9), (5, 20)), ((0, 32), (0, 48)), ((31, 32), (47, 48)), ((3, 4), (0, 48)), ((2, 30), (7, 8))],
)
def test_the_box_of_a_brush(code: Any, rows: tuple[int, int], columns: tuple[int, int]):
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[slice(*rows), slice(*columns)] = True
    assert brush_box(code(mask), (HEIGHT, WIDTH)) == (columns[0], rows[0], columns[1], rows[1])


@pytest.mark.parametrize(
    ("rle", "message"),
    [
        ([], "truncated"),
        ("abc", "not a list of bytes"),
        ([300], "not a list of bytes"),
        ([0, 0, 0, 9, 0], "9 values, but its image 6,144"),
        (encoded(np.zeros((HEIGHT, WIDTH), bool)), "nothing of it is painted"),
        (encoded(np.eye(HEIGHT, WIDTH, dtype=bool))[:-20], "truncated"),
    ],
)  # fmt: skip
def test_a_brush_that_cannot_be_read(rle: Any, message: str):
    with pytest.raises(ValueError, match=message):
        brush_box(rle, (HEIGHT, WIDTH))


def region(key: str, kind: str, value: Any, **more: Any) -> dict[str, Any]:
    size = {"original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0}
    return {"id": key, "type": kind, "value": value | {"text": [key]}, **size, **more}


def export(root: Path, *results: Any) -> None:
    tasks = [
        {"data": {"image": f"{number}.png"}, "annotations": [{"result": result}]}
        for number, result in enumerate(results)
    ]
    (root / "project-1.json").write_text(json.dumps(tasks))


def test_every_region_of_label_studio_is_learned_or_dont_care(tmp_path: Path, opened: Any, entries: Any):
    Pillow.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "0.png")
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[10:20, 8:30] = True
    vertices = [{"x": 0, "y": 0}, {"x": 50, "y": 0}, {"x": 50, "y": 50}]
    export(
        tmp_path,
        [
            region("ellipse", "ellipse", {"x": 50, "y": 50, "radiusX": 25, "radiusY": 10, "rotation": 30}),
            region("brush", "brush", {"format": "rle", "rle": encoded(mask)}),
            region("path", "vector", {"vertices": vertices, "closed": True}),
            region("open", "vector", {"vertices": vertices, "closed": False}),
            region("point", "keypoint", {"x": 50, "y": 50, "width": 1}),
        ],
    )
    dataset, context = opened("label_studio", val_share=0)
    sample = dataset.train[0]
    assert sample.ignore.tolist() == [False, False, False, True, True]
    expected = rotate(scale(Point(24, 16).buffer(1, 64), 12, 3.2), 30, origin=(24, 16))
    assert Polygon(sample.polygons[0]).symmetric_difference(expected).area < 0.02 * expected.area
    assert Polygon(sample.polygons[1]).bounds == (8, 10, 30, 20)
    assert sample.polygons[2].tolist() == [[0, 0], [24, 0], [24, 16]]
    assert Polygon(sample.polygons[4]).covers(Point(24, 16))
    assert [line.partition("region ")[2] for line in entries(context)] == [
        "brush: a brush has no outline: its box is used",
        "open: it is neither a rectangle nor a polygon but vector: kept as don't care",
        "point: it is neither a rectangle nor a polygon but keypoint: kept as don't care",
    ]


def test_an_image_with_a_region_that_cannot_be_placed_is_left_out(
    tmp_path: Path, opened: Any, entries: Any, picture: Any
):
    picture("0.png", "1.png", "2.png")
    place = {"x": 10, "y": 10, "width": 50, "height": 50}
    export(
        tmp_path,
        [region("turned", "rectangle", place, image_rotation=90)],
        [region("sizeless", "rectangle", place, original_width=None)],
        [region("good", "rectangle", place)],
    )
    dataset, context = opened("label_studio", val_share=0)
    assert [file.name for file in dataset.train.files] == ["2.png"]
    assert [line.partition("region ")[2] for line in entries(context)] == [
        "turned: the image was rotated in Label Studio before the region was drawn",
        "sizeless: it has no original_width and original_height",
    ]


BOX = (4, 4, 30, 12)
QUAD = [[4, 4], [30, 4], [30, 12], [4, 12]]
LAID: dict[str, tuple[str, Any]] = {
    "labelme": ("x.json", {"shapes": [{"label": "a", "points": QUAD}]}),
    "paddleocr": ("Label.txt", None),
    "label_studio": ("project-1.json", None),
    "jsonl": ("annotations.jsonl", {"image": "x.png", "exif_orientation": "applied", "words": [{"points": QUAD, "text": "a"}]}),
}  # fmt: skip


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("side", [WIDTH, HEIGHT])
@pytest.mark.parametrize("name", LAID)
def test_tools_label_the_photograph_as_it_is_shown(
    tmp_path: Path, opened: Any, name: str, side: int, orientation: int
):
    shown = np.full((HEIGHT, side, 3), 255, np.uint8)
    shown[BOX[1] : BOX[3], BOX[0] : BOX[2]] = 0
    undone = {1: shown, 2: shown[:, ::-1], 3: shown[::-1, ::-1], 4: shown[::-1], 5: shown.swapaxes(0, 1)}
    undone |= {6: np.rot90(shown), 7: shown[::-1, ::-1].swapaxes(0, 1), 8: np.rot90(shown, -1)}
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    Pillow.fromarray(np.ascontiguousarray(undone[orientation])).save(tmp_path / "x.png", exif=exif)
    file, content = LAID[name]
    if name == "paddleocr":
        text = "x.png\t" + json.dumps([{"transcription": "a", "points": QUAD}])
    elif name == "label_studio":
        value = {"x": 400 / side, "y": 12.5, "width": 2600 / side, "height": 25, "text": ["a"]}
        entry = {
            "id": "a",
            "type": "rectangle",
            "value": value,
            "original_width": side,
            "original_height": HEIGHT,
        }
        text = json.dumps([{"data": {"image": "x.png"}, "annotations": [{"result": [entry]}]}])
    else:
        text = json.dumps(content)
    (tmp_path / file).write_text(text)
    sample = opened(name, val_share=0)[0].train[0]
    assert sample.skipped == []
    assert np.array_equal(sample.image, shown)
    assert np.allclose(sample.polygons[0], QUAD)


def test_an_unknown_frame_in_json_lines_is_refused(tmp_path: Path, opened: Any, entries: Any, picture: Any):
    picture("x.png")
    (tmp_path / "annotations.jsonl").write_text(
        json.dumps({"image": "x.png", "words": [], "exif_orientation": 6})
    )
    dataset, context = opened("jsonl", val_share=0)
    assert len(dataset.train) == 0
    assert entries(context) == [
        "annotations.jsonl:1: exif_orientation is not one of auto, applied, ignored: 6"
    ]
