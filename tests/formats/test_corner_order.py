"""Four corners in another order than around the outline: counted, and put in order on request only."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely import MultiPoint, Polygon

from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import Labels, order_corners, polygon_error
from ocr_trainer.formats.rows import Row, RowDataset, parse_corners
from ocr_trainer.plugin import Context, DataReport, Task
from ocr_trainer.plugin.options import PairedConfig

Z_ORDER = [(10.0, 10.0), (90.0, 10.0), (10.0, 30.0), (90.0, 30.0)]
FILE = Path("labels.txt")

side = st.floats(1, 1000, width=32)
corner = st.tuples(side, side)


def added(points: list[tuple[float, float]], order: bool, text: str = "A") -> tuple[Labels, DataReport]:
    labels, data_report = Labels(), DataReport(order_corners=order)
    labels.add(points, text, False, data_report, FILE, 3)
    return labels, data_report


def test_crossed_corners_are_dont_care_and_counted():
    labels, data_report = added(Z_ORDER, order=False)
    assert (labels.ignore, labels.reasons) == ([True], ["the outline crosses itself"])
    assert [str(entry) for entry in data_report.skipped] == [
        "labels.txt:3: the outline crosses itself: kept as don't care"
    ]
    (message,) = data_report.messages()
    assert message.startswith("1 of 1 outlines are four points that cross themselves")
    assert message.endswith("dataset.order_corners=true puts them in order")


def test_the_option_orders_them_clockwise_from_the_first_and_says_so():
    labels, data_report = added(Z_ORDER, order=True)
    assert (labels.ignore, labels.texts, data_report.skipped) == ([False], ["A"], [])
    assert labels.polygons[0].tolist() == [[10, 10], [90, 10], [90, 30], [10, 30]]
    assert data_report.messages()[0].endswith(": put in order")


def test_the_option_leaves_other_crossing_outlines_as_they_are():
    star = [(50.0, 0.0), (80.0, 90.0), (0.0, 35.0), (100.0, 35.0), (20.0, 90.0)]
    labels, data_report = added(star, order=True)
    assert (labels.ignore, data_report.crossed_corners, data_report.messages()) == ([True], 0, [])


@given(st.lists(corner, min_size=4, max_size=4, unique=True), st.permutations(range(4)))
def test_ordered_corners_are_the_hull_for_every_order(corners, order):
    hull = MultiPoint(corners).convex_hull
    points = [corners[place] for place in order]
    crossing = not Polygon(points).is_valid and hull.geom_type == "Polygon"
    if not crossing or len(hull.exterior.coords) != 5 or hull.area < 1 or polygon_error(points):
        return
    ordered = order_corners(points)
    assert ordered[0] == points[0]
    assert sorted(ordered) == sorted(points)
    assert Polygon(ordered).area == pytest.approx(hull.area, rel=1e-6)
    x, y = np.array(ordered).T
    assert (x * np.roll(y, -1) - y * np.roll(x, -1)).sum() > 0  # clockwise on the screen


class Corners(RowDataset):
    usual = (("images", "gt"),)

    def parse(self, row: str) -> Row:
        return parse_corners(row)


@pytest.mark.parametrize("order", [False, True])
def test_a_reader_heeds_the_option_for_every_order_of_corners(tmp_path: Path, order: bool):
    from PIL import Image as Pillow

    for folder in ("images", "gt"):
        (tmp_path / folder).mkdir()
    Pillow.new("RGB", (100, 40)).save(tmp_path / "images" / "a.png")
    rows = [",".join(f"{x:g},{y:g}" for x, y in points) + ",A" for points in permutations(Z_ORDER)]
    (tmp_path / "gt" / "a.txt").write_text("\n".join(rows), encoding="utf-8")
    context = Context(task=Task.detection)
    config = PairedConfig(name="corners", root=tmp_path, val_share=0, order_corners=order)
    train = Corners(config, context).train
    assert train is not None
    crossed = 16  # of 24 orders, 8 go around the outline: four starts, two directions
    assert context.data_report.crossed_corners == crossed
    assert train.label_counts() == ({"": 24} if order else {"": 8, "the outline crosses itself": crossed})
    areas = {Polygon(polygon).area for polygon in train.labels(0).polygons}
    assert areas == {80 * 20}
    if not order:
        assert len(context.data_report.skipped) == crossed


def test_a_file_that_cannot_be_read_is_no_matter_of_corners(tmp_path: Path):
    with pytest.raises(DataError, match="there is no folder"):
        Corners(PairedConfig(name="corners", root=tmp_path / "gone"), Context(task=Task.detection))
