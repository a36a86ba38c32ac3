"""What a row of each format says, and which texts are marks.

There is no file of the ICDAR 2013 training set at hand: its rows are made after the competition's own
description (https://rrc.cvc.uab.es/?ch=2&com=tasks, task 2.1).
"""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ocr_trainer_icdar.dataset import Icdar2013, Icdar2015, Mtwi, Sroie
from ocr_trainer_icdar.plugin import icdar2013, icdar2015, mtwi, sroie

from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import Labels
from ocr_trainer.formats.rows import RowDataset
from ocr_trainer.plugin import Context, Task
from ocr_trainer.plugin.options import PairedConfig

PLUGINS = {Icdar2013: icdar2013, Icdar2015: icdar2015, Mtwi: mtwi, Sroie: sroie}
BOX = [(38, 43), (920, 43), (920, 215), (38, 215)]


def opened(root: Path, dataset: type[RowDataset]) -> tuple[RowDataset, Context]:
    (root / "image.png").touch()
    context = Context(task=Task.detection)
    return dataset(PairedConfig(name="rows", root=root), context), context


def read(root: Path, data: bytes, dataset: type[RowDataset]) -> tuple[Labels, Context]:
    rows, context = opened(root, dataset)
    (root / "image.txt").write_bytes(data)
    return rows.read(root / "image.txt"), context


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ('38 43 920 215 "Tiredness"', "Tiredness"),
        ('38, 43, 920, 215, "Tiredness"', "Tiredness"),
        ('38,43,920,215,"Tiredness"', "Tiredness"),
        ('  38 , 43\t920 ,215 , "two words, and more"  ', "two words, and more"),
        ('38 43 920 215 "250"', "250"),
        ("38 43 920 215 250", "250"),
        ("38 43 920 215 Breakfast,Lunch", "Breakfast,Lunch"),
        (r'38 43 920 215 "READER\""', 'READER"'),
        ('38 43 920 215 """', '"'),
        ('38 43 920 215 "', '"'),
        ('38 43 920 215 ""', ""),
        ("38 43 920 215", ""),
        ("38.0, 43, 920., 215,", ""),
    ],
)
def test_a_row_of_icdar2013(tmp_path: Path, row: str, text: str) -> None:
    assert opened(tmp_path, Icdar2013)[0].parse(row) == (BOX, text)


def test_bad_rows_of_icdar2013_are_entered_with_line_and_reason(tmp_path: Path) -> None:
    data = (
        b'\xef\xbb\xbf38 43 920 215 "good"\r\n'
        b"38 43 920\r\n"
        b'38 43 920 "no bottom"\r\n'
        b'38 43 38 215 "no width"\r\n'
        b'-9, -5, 20, 30, "partly outside"\r\n'
    )
    labels, context = read(tmp_path, data, Icdar2013)
    assert labels.texts == ["good", "no width", "partly outside"]
    assert labels.polygons[2].tolist() == [[-9, -5], [20, -5], [20, 30], [-9, 30]]
    assert [(entry.line, entry.reason) for entry in context.data_report.skipped] == [
        (2, "not left, top, right, bottom, \"TEXT\": '38 43 920'"),
        (3, "'\"no' is not a number"),
        (4, "the outline has no area: kept as don't care"),
    ]


@pytest.mark.parametrize("name", [["Icdar2013"], ["Icdar2015", "Mtwi", "Sroie"]])
@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200) | st.text('0123456789.,-+e #*"\\\r\n\t', max_size=200).map(str.encode))
def test_random_bytes_are_read_or_refused_and_every_row_accounted_for(
    tmp_path: Path, name: list[str], data: bytes
) -> None:
    for dataset in (d for d in PLUGINS if d.__name__ in name):
        try:
            labels, context = read(tmp_path, data, dataset)
        except DataError as fault:
            refusal = str(fault)
            assert "UTF-16" in refusal
            return
        kept_yet_entered = sum("kept as" in entry.reason for entry in context.data_report.skipped)
        assert (
            context.data_report.labels
            == len(labels.texts) + len(context.data_report.skipped) - kept_yet_entered
        )


@pytest.mark.parametrize(
    ("dataset", "ignored", "read_as_text"),
    [
        (Icdar2013, ["###"], ["#", "####", "***", "*", "# 5", ""]),
        (Icdar2015, ["###"], ["#", "####", "***", "*", "# 5", ""]),
        (Mtwi, ["###"], ["#", "####", "***", "*", "# 5", ""]),
        (Sroie, ["*", "***"], ["* 2 *", "###", "#", ""]),
    ],
)
def test_what_is_dont_care(
    tmp_path: Path, dataset: type, ignored: list[str], read_as_text: list[str]
) -> None:
    corners = "0,0,9,9" if dataset is Icdar2013 else "0,0,9,0,9,9,0,9"
    data = "".join(f"{corners},{text}\n" for text in [*ignored, *read_as_text]).encode()
    labels, context = read(tmp_path, data, dataset)
    assert labels.ignore == [True] * len(ignored) + [False] * len(read_as_text)
    assert labels.texts == [""] * len(ignored) + read_as_text
    assert context.data_report.skipped == []


@pytest.mark.parametrize(("factory", "plugin"), PLUGINS.items())
def test_the_descriptions_lead_to_the_factories(factory: type, plugin) -> None:
    module, name = plugin.factory.split(":")
    assert getattr(importlib.import_module(module), name) is factory
