"""The reader of MATLAB files against scipy: equal on whole files; damaged files are read or refused."""

from __future__ import annotations

import io
import os
import struct
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from ocr_trainer_scenetext.mat import read_cells
from ocr_trainer_scenetext.totaltext import TotalText

from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import Labels
from ocr_trainer.plugin import Context, Task
from ocr_trainer.plugin.options import PairedConfig

DATA = Path(os.environ.get("OCR_TRAINER_DATA", Path(__file__).parents[4] / "shared" / "data"))
REAL = sorted(DATA.glob("polygons_totaltext_mini/**/*gt_img*.mat"))
needs_real = pytest.mark.skipif(not REAL, reason=f"no .mat files in {DATA}")


def mat(compressed: bool = False, **variables) -> bytes:
    io_ = pytest.importorskip("scipy.io", reason="scipy writes the files")
    file = io.BytesIO()
    io_.savemat(file, variables, do_compression=compressed)
    return file.getvalue()


def cells(*rows: list) -> np.ndarray:
    array = np.empty((len(rows), len(rows[0])), dtype=object)
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            array[i, j] = value
    return array


def word(text: object = "word", orientation: str = "h") -> list:
    return ["x:", np.array([[1, 9, 9, 1]]), "y:", np.array([[1, 1, 5, 5]]), text, orientation]


def read(folder: Path, data: bytes) -> tuple[Labels, Context]:
    (folder / "img1.png").touch()
    (folder / "poly_gt_img1.mat").write_bytes(data)
    context = Context(task=Task.detection)
    dataset = TotalText(PairedConfig(name="totaltext", root=folder), context)
    return dataset.read(folder / "poly_gt_img1.mat"), context


@needs_real
@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_real_files_against_scipy(path: Path) -> None:
    scipy_io = pytest.importorskip("scipy.io")
    ((name, rows),) = read_cells(path).items()
    expected = scipy_io.loadmat(path)[name]
    assert len(rows) == len(expected) > 0
    for row, truth in zip(rows, expected, strict=True):
        assert (row[1], row[3]) == (truth[1].ravel().tolist(), truth[3].ravel().tolist())
        assert (row[4], row[5]) == (truth[4].item(), truth[5].item())


numbers = npst.arrays(
    st.sampled_from(["i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8", "i8", "u8"]),
    st.tuples(st.just(1), st.integers(0, 9)),
    elements=st.integers(0, 100),
)
texts = st.text(st.characters(min_codepoint=1, max_codepoint=0xD7FF), min_size=1)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(texts, numbers), min_size=1, max_size=5), st.booleans())
def test_what_scipy_writes_is_read_again(tmp_path: Path, rows: list, compressed: bool) -> None:
    (tmp_path / "cells.mat").write_bytes(mat(compressed, other=1.5, gt=cells(*map(list, rows))))
    found = read_cells(tmp_path / "cells.mat")
    assert found == {"gt": [[text, array.ravel().tolist()] for text, array in rows]}


@pytest.mark.parametrize("compressed", [False, True])
def test_words(tmp_path: Path, compressed: bool) -> None:
    short, uneven = word()[:4], word("uneven")
    uneven[1] = np.array([[1, 9, 9]])
    rows = [
        word("caf\u00e9"),
        word("#", "#"),
        word("half", "#"),
        word(np.array([[]])),
        word(np.array([[7]])),
        uneven,
    ]
    labels, context = read(tmp_path, mat(compressed, polygt=cells(*rows)))
    assert labels.texts == ["café", "", "", "", "7"]
    assert labels.ignore == [False, True, True, False, False]
    assert labels.polygons[0].tolist() == [[1, 1], [9, 1], [9, 5], [1, 5]]
    assert context.data_report.labels == 6
    assert [e.reason for e in context.data_report.skipped] == ["word 6: 3 x and 4 y coordinates do not match"]
    labels, context = read(tmp_path, mat(compressed, polygt=cells(short)))
    assert [e.reason for e in context.data_report.skipped] == [
        "word 1: not x:, xs, y:, ys, text, orientation"
    ]


def element(kind: int, content: bytes) -> bytes:
    return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)


def matrix(class_: int, shape: tuple[int, int], content: bytes, name: bytes = b"") -> bytes:
    flags = element(6, struct.pack("<II", class_, 0))
    return element(14, flags + element(5, struct.pack("<ii", *shape)) + element(1, name) + content)


def test_a_file_as_matlab_writes_it(tmp_path: Path) -> None:
    """Made by hand from the description of the format: UTF-16 and small integers, unlike scipy's files."""

    def text(characters: str) -> bytes:
        return matrix(4, (1, len(characters)), element(4, characters.encode("utf-16-le")))

    def integers(*values: int) -> bytes:
        return matrix(10, (1, len(values)), element(3, struct.pack(f"<{len(values)}h", *values)))

    row = text("x:") + integers(1, 9, 9, 1) + text("y:") + integers(-1, 1, 5, 5) + text("카페") + text("h")
    version = struct.pack("<H", 0x0100)
    data = b"MATLAB 5.0 MAT-file".ljust(124) + version + b"IM" + matrix(1, (1, 6), row, b"polygt")
    labels, _ = read(tmp_path, data)
    assert labels.texts == ["카페"]
    assert labels.polygons[0].tolist() == [[1, -1], [9, 1], [9, 5], [1, 5]]


def test_the_flipped_bit_at_which_scipy_may_crash(tmp_path: Path) -> None:
    """In the type of a text. scipy reads past its buffer there (decision 0033), so it is not called."""
    data = mat(polygt=cells(word("word")))
    place = data.index(b"\x10\0\4\0word") + 1
    damaged = data[:place] + bytes([data[place] ^ 1 << 5]) + data[place + 1 :]
    labels, _ = read(tmp_path, damaged)
    assert (len(labels.polygons), labels.texts) == (1, [""])


def test_every_flipped_bit_and_every_truncation_is_read_or_refused(tmp_path: Path) -> None:
    data = mat(polygt=cells(word("word")))
    outcomes = Counter[str]()
    damaged = [data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]
               for place in range(128, len(data)) for bit in range(8)]  # fmt: skip
    (tmp_path / "img1.png").touch()
    dataset = TotalText(PairedConfig(name="totaltext", root=tmp_path), Context(task=Task.detection))
    file = tmp_path / "poly_gt_img1.mat"
    for content in [*damaged, *(data[:size] for size in range(len(data)))]:
        file.write_bytes(content)
        try:
            dataset.read(file)
            outcomes["read"] += 1
        except DataError as fault:
            outcomes["refused" if str(file) in str(fault) else "not named"] += 1
    assert outcomes.total() == len(damaged) + len(data)
    assert outcomes.keys() == {"read", "refused"}


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"poly_gt_img1\.mat' has no cell array named polygt or gt"):
        read(tmp_path, mat(rectgt=cells(word())))
    big_endian = mat(polygt=cells(word())).replace(b"IM", b"MI", 1)
    for data in (b"1,2,3", big_endian):
        with pytest.raises(
            DataError, match=r"is not a MATLAB 5 file \(little-endian, saved with -v6 or -v7\)"
        ):
            read(tmp_path, data)
    with pytest.raises(
        DataError, match=r"is a MATLAB 7\.3 file \(HDF5\), which is not supported; save it with -v7"
    ):
        read(tmp_path, b"MATLAB 7.3 MAT-file")
    with pytest.raises(DataError, match="is damaged: it is cut off"):
        read(tmp_path, mat(polygt=cells(word()))[:-9])


@needs_real
@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(REAL or [None]),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=8),
    st.integers(0, 2000),
)
def test_damaged_files_are_read_or_refused(tmp_path: Path, real: Path, changes: list, length: int) -> None:
    data = bytearray(real.read_bytes()[: None if length > 1000 else length])
    for place, value in changes:
        if place < len(data):
            data[place] = value
    try:
        labels, context = read(tmp_path, bytes(data))
    except DataError as fault:
        refusal = str(fault)
        assert "poly_gt_img1.mat' " in refusal
        return
    kept_yet_entered = sum("kept as" in entry.reason for entry in context.data_report.skipped)
    assert (
        context.data_report.labels == len(labels.texts) + len(context.data_report.skipped) - kept_yet_entered
    )
