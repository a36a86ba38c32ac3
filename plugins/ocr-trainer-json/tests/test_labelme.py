"""labelme: files after its own examples (`examples/primitives`) and MMOCR's OCR sample; no real file at hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shapely import Point, Polygon

QUAD = [[1, 1], [9, 1], [9, 5], [1, 5]]


def shape(label: Any = "62-03", points: Any = QUAD, kind: Any = "polygon", **more: Any) -> dict[str, Any]:
    return {"label": label, "points": points, "group_id": None, "shape_type": kind, "flags": {}, **more}


def write(path: Path, *shapes: Any, **more: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    size = {"imagePath": "..\\imgs\\img_1.jpg", "imageData": None, "imageHeight": 10, "imageWidth": 20}
    document = {"version": "5.0.1", "flags": {}, "shapes": list(shapes), **size, **more}
    path.write_text(json.dumps(document, ensure_ascii=False, indent=2), encoding="utf-8")


@pytest.mark.parametrize("folder", [".", "labelme", "annotations"])
def test_the_shapes_of_labelme(tmp_path: Path, opened: Any, entries: Any, picture: Any, folder: str) -> None:
    picture("page 1.png" if folder == "." else "images/page 1.png")
    shapes = [
        shape("Genaxis Theatre"),
        shape("[06]", [[9.5, 5], [1, 1.25]], "rectangle"),
        shape("word", QUAD, "rectangle"),
        shape("word", QUAD, "oriented_rectangle"),
        shape("word", QUAD, None),
        shape("word", [[2, 2], [6, 4]], "mask", mask="iVBORw0KGgo="),
        shape("O", [[10, 5], [13, 9]], "circle"),
        shape("line", QUAD[:2], "line"),
        shape("point", QUAD[:1], "point"),
        shape("line_strip", QUAD, "linestrip"),
        shape("points", QUAD, "points"),
        shape("rectangle", QUAD[:1], "rectangle"),
    ]
    write(tmp_path / folder / "page 1.json", *shapes)
    dataset, context = opened("labelme", val_share=0)
    sample = dataset.train[0]
    assert sample.texts[:7] == ["Genaxis Theatre", "[06]", "word", "word", "word", "word", "O"]
    assert sample.ignore.tolist() == [False] * 7 + [True] * 5
    for polygon, points in zip(sample.polygons[7:], (QUAD[:2], QUAD[:1], QUAD, QUAD, QUAD[:1]), strict=True):
        assert all(Polygon(polygon).covers(Point(point)) for point in points)
    assert Polygon(sample.polygons[1]).bounds == (1, 1.25, 9.5, 5)
    assert [sample.polygons[n].tolist() for n in (0, 2, 3, 4)] == [QUAD] * 4
    assert Polygon(sample.polygons[5]).bounds == (2, 2, 6, 4)
    circle = Point(10, 5).buffer(5)
    assert Polygon(sample.polygons[6]).symmetric_difference(circle).area < 0.02 * circle.area
    assert np.allclose(np.hypot(*(sample.polygons[6] - [10, 5]).T), 5, atol=1e-4)
    place = f"{folder}/page 1.json".removeprefix("./")
    assert entries(context) == [
        f"{place}: shape 8: a shape of type 'line' with 2 points encloses no text: kept as don't care",
        f"{place}: shape 9: a shape of type 'point' with 1 points encloses no text: kept as don't care",
        f"{place}: shape 10: a shape of type 'linestrip' with 4 points encloses no text: kept as don't care",
        f"{place}: shape 11: a shape of type 'points' with 4 points encloses no text: kept as don't care",
        f"{place}: shape 12: 1 point is not a polygon: kept as don't care",
    ]
    assert (context.data_report.images, context.data_report.labels) == (1, 12)


def test_what_is_dont_care(tmp_path: Path, opened: Any, picture: Any) -> None:
    picture("a.png")
    shapes = [
        shape("###"),
        shape("*"),
        shape(" "),
        shape(12),
        shape(flags={"ignore": True}),
        shape(flags={"ignore": False, "other": True}),
        shape(flags=None),
        shape("text", description="in words"),
    ]
    write(tmp_path / "a.json", *shapes)
    assert (
        opened("labelme", val_share=0)[0].train[0].ignore.tolist() == [True] * 3 + [False, True] + [False] * 3
    )
    options = {"dont_care": ["12"], "ignore_untranscribed": False, "ignore_flags": ["other"], "val_share": 0}
    learned = opened("labelme", **options)[0].train[0]
    assert learned.ignore.tolist() == [False] * 3 + [True, False, True, False, False]
    described = opened("labelme", text_key="description", val_share=0)[0].train[0]
    assert described.texts == [""] * 7 + ["in words"]


def test_bad_files_are_entered(tmp_path: Path, opened: Any, entries: Any, picture: Any) -> None:
    picture("a.png", "cut.png", "list.png", "none.png", "lonely.png")
    write(tmp_path / "a.json", shape(["a"]), shape(points=[1, 2, 3]), shape(points=None), 7, imageHeight="10")
    (tmp_path / "cut.json").write_bytes(b'{"shapes": [')
    (tmp_path / "list.json").write_bytes(b"[]")
    (tmp_path / "none.json").write_bytes(b'{"shapes": null}')
    dataset, context = opened("labelme", val_share=0)
    assert [path.name for path in dataset.train.files] == ["a.png"]
    assert (context.data_report.images, context.data_report.labels) == (5, 4)
    assert sorted(entries(context)) == [
        "a.json: shape 1: the label is neither text nor null: ['a']: kept as don't care",
        "a.json: shape 2: 1 is not a point [x, y]: kept as don't care",
        "a.json: shape 3: it has no list of points",
        "a.json: shape 4: 7 is not an object",
        "cut.png: 'cut.json' is not JSON: line 1, column 13: Expecting value",
        "list.png: 'list.json' is not labelme's: there is no list \"shapes\"",
        f"lonely.png: no annotation file for it in '{tmp_path}'",
        "none.png: 'none.json' is not labelme's: there is no list \"shapes\"",
    ]
