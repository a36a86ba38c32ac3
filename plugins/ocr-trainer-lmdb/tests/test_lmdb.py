"""`lmdb` reads what the library wrote, in any process, and reports what is damaged."""

from __future__ import annotations

import gc
import io
import json
import os
import pickle
import shutil
import subprocess
import sys
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest
from ocr_trainer_lmdb.dataset import Lmdb, carve_places, draw
from ocr_trainer_lmdb.plugin import LmdbConfig
from PIL import Image as Pillow

from ocr_trainer.errors import DataError
from ocr_trainer.plugin import Context, Task

DATA = Path(os.environ.get("OCR_TRAINER_DATA", Path(__file__).parents[4] / "shared" / "data"))
TOY = DATA / "toy_mmocr" / "rec_toy_dataset"
with_data = pytest.mark.skipif(not TOY.is_dir(), reason="there are no data (OCR_TRAINER_DATA)")


def opened(root: Path, **options: Any) -> tuple[Lmdb, Context]:
    context = Context(task=Task.recognition)
    return Lmdb(LmdbConfig(name="lmdb", root=root, **{"val_share": 0.0} | options), context), context


def png(value: int) -> bytes:
    file = io.BytesIO()
    Pillow.new("RGB", (6, 4), (value, 0, 0)).save(file, "PNG")
    return file.getvalue()


def make(folder: Path, texts: list[str], start: int = 0, **other: bytes | None) -> None:
    """Write an LMDB; `other` replaces values of the layout, and None removes them."""
    content = {"num-samples": str(len(texts)).encode()}
    for number, text in enumerate(texts, start=1):
        content |= {f"image-{number:09}": png(start + number), f"label-{number:09}": text.encode()}
    folder.mkdir(parents=True, exist_ok=True)
    with lmdb.open(str(folder), map_size=1 << 24) as environment, environment.begin(write=True) as view:
        for key, value in (content | other).items():
            if value is not None:
                view.put(key.encode(), value)


def values(split: Any) -> list[int]:
    """Return the value that identifies each image."""
    return [int(sample.image[0, 0, 0]) for sample in split]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    make(tmp_path, ["영수증", "a, b", " c "])
    dataset, context = opened(tmp_path)
    assert list(dataset.train.texts) == ["영수증", "a, b", " c "] == [sample.text for sample in dataset.train]
    assert (len(dataset.train.texts), dataset.train.texts[-1]) == (3, " c ")
    assert values(dataset.train) == [1, 2, 3]
    assert dataset.train[1].source == f"{tmp_path}: image-000000002"
    assert [dataset.train.name_of(n) for n in range(3)] == [sample.source for sample in dataset.train]
    assert dataset.train[0].image.shape == (4, 6, 3)
    assert (context.data_report.images, context.data_report.labels, context.data_report.skipped) == (3, 3, [])
    assert (dataset.val, dataset.test) == (None, None)
    with pytest.raises(IndexError):
        dataset.train[3]


def test_folders_are_splits_and_their_lmdbs_are_joined(tmp_path: Path) -> None:
    make(tmp_path / "training" / "MJ" / "a", ["1", "2"])
    make(tmp_path / "training" / "ST", ["3"], start=2)
    make(tmp_path / "validation", ["4"], start=3)
    make(tmp_path / "evaluation" / "SVT", ["5"], start=4)
    (tmp_path / "training" / "again").symlink_to(tmp_path / "training" / "ST")
    dataset, _ = opened(tmp_path)
    assert [values(split) for split in (dataset.train, dataset.val, dataset.test)] == [[1, 2, 3], [4], [5]]
    assert list(dataset.train.texts) == ["1", "2", "3"]
    dataset, _ = opened(tmp_path, train_folder=Path("validation"), val_folder=Path("training/ST"))
    assert (values(dataset.train), values(dataset.val)) == ([4], [3])
    with pytest.raises(DataError, match="would be both train and val, but no image may be in two splits"):
        opened(tmp_path, val_folder=Path("training/MJ"))
    with pytest.raises(DataError, match=r"there is no folder '.*dev' for val_folder"):
        opened(tmp_path, val_folder=Path("dev"))


def test_a_new_store_moves_no_sample_to_another_split(tmp_path: Path) -> None:
    make(tmp_path / "b", [str(n) for n in range(1, 61)])
    first, _ = opened(tmp_path, val_share=0.2, test_share=0.1)
    splits = [values(split) for split in (first.train, first.val, first.test)]
    assert first.val.name_of(0) == f"{tmp_path / 'b'}: image-{splits[1][0]:09}"
    assert sorted(chain(*splits)) == list(range(1, 61))
    assert all(splits)
    assert [list(map(str, some)) for some in splits] == [
        list(s.texts) for s in (first.train, first.val, first.test)
    ]
    make(tmp_path / "a", [str(n) for n in range(61, 121)], start=60)
    more, _ = opened(tmp_path, val_share=0.2, test_share=0.1)
    assert {n for n in values(more.val) if n <= 60} == set(splits[1])
    assert set(values(opened(tmp_path, val_share=0.2, split_seed=1)[0].val)) != set(values(more.val))


def test_a_share_has_the_configured_size() -> None:
    positions = np.concatenate([draw("a", 50_000, 0), draw("b", 50_000, 0)])
    counts = np.histogram(positions, 20, (0, 1))[0]
    assert ((counts - 5000) ** 2 / 5000).sum() < 43.8  # chi-square of 19 degrees of freedom, p = 0.001
    places = carve_places(positions, {"test": 0.1, "val": 0.2})
    assert [round(len(places[split]) / 1e5, 2) for split in ("train", "val", "test")] == [0.7, 0.2, 0.1]
    assert sorted(np.concatenate(list(places.values()))) == list(range(100_000))
    assert len(carve_places(np.array([0.9, 0.8]), {"val": 0.01})["val"]) == 1


def _in_a_process(split: Any, index: int) -> tuple[int, str, str]:
    return int(split[index].image[0, 0, 0]), split[index].text, split.texts[index]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_every_process_opens_the_file_for_itself(tmp_path: Path, method: str) -> None:
    make(tmp_path, ["a", "b"])
    split = opened(tmp_path)[0].train
    for _ in range(2):  # before and after this process has it open
        with get_context(method).Pool(1) as pool:
            assert pool.apply(_in_a_process, (split, 1)) == (2, "b", "b")
        assert values(split) == [1, 2]
    again = opened(tmp_path)[0].train
    copy = pickle.loads(pickle.dumps(split))
    assert values(again) == values(copy) == values(split)


def test_a_pickled_split_is_small(tmp_path: Path) -> None:
    make(tmp_path, ["a"] * 200)
    assert len(pickle.dumps(opened(tmp_path)[0].train)) < 1000


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"image-000000002": b""}, r"cannot read the image '.*: image-000000002': the file is empty"),
        ({"image-000000002": png(0)[:40]}, r"cannot read the image '.*: image-000000002': "),
        ({"image-000000002": None}, r"' has no image-000000002$"),
        ({"label-000000002": None}, r"' has no label-000000002$"),
        ({"label-000000002": b""}, r": label-000000002': the text is empty"),
        ({"label-000000002": b"caf\xe9"}, r": label-000000002' is not UTF-8: byte 0xe9"),
    ],
)
def test_a_bad_sample_is_reported_and_the_others_are_read(tmp_path: Path, other: Any, message: str) -> None:
    make(tmp_path, ["a", "b", "c"], **other)
    train = opened(tmp_path)[0].train
    assert (train[0].text, train[2].text, len(train)) == ("a", "c", 3)
    assert list(train.texts) == ["a", "b" if "image" in next(iter(other)) else "", "c"]
    with pytest.raises(DataError, match=message):
        train[1]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"num-samples": None}, "has no num-samples: it is not an LMDB of images and texts"),
        ({"num-samples": b"two"}, "num-samples is not a number: b'two'"),
        (
            {"num-samples": b"7"},
            "num-samples says 7, but image-000000007 is missing: the file was not written",
        ),
        ({"image-000000001": None}, "has no images: image-000000001 is missing"),
    ],
)
def test_another_kind_of_lmdb_is_refused(tmp_path: Path, other: Any, message: str) -> None:
    make(tmp_path, ["a", "b"], **other)
    with pytest.raises(DataError, match=message):
        _ = opened(tmp_path)[0].train


def test_more_than_num_samples_is_reported(tmp_path: Path) -> None:
    make(tmp_path, ["a", "b", "c"], **{"num-samples": b"2"})
    dataset, context = opened(tmp_path)
    assert list(dataset.train.texts) == ["a", "b"]
    reason = "num-samples says 2, but there are more, which are not used: image-000000003"
    assert [str(entry) for entry in context.data_report.skipped] == [f"{tmp_path}: {reason}"]


@pytest.mark.parametrize("size", [0, 1, 100, 4096, 8192, 12288, -4096, -1])
def test_a_truncated_file_is_refused(tmp_path: Path, size: int) -> None:
    """In a subprocess, which SIGBUS would kill if the size were not checked."""
    make(tmp_path, ["a" * 100] * 300)
    gc.collect()
    file = tmp_path / "data.mdb"
    os.truncate(file, size if size >= 0 else file.stat().st_size + size)
    program = "from test_lmdb import *; list(opened(Path(sys.argv[1]))[0].train)"
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
    )
    last = done.stderr.rstrip().rpartition("\n")[2]
    assert done.returncode == 1, last
    assert last.startswith("ocr_trainer_runtime.errors.DataError: ")
    assert str(tmp_path) in last
    assert any(words in last for words in ("is empty", "is truncated", "not an LMDB", "cannot read"))


def test_a_folder_without_lmdb_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no LMDB \(a folder with a file 'data\.mdb'\)"):
        opened(tmp_path)


@with_data
def test_real_files(tmp_path: Path) -> None:
    train = opened(TOY / "imgs.lmdb")[0].train
    labels = json.loads((TOY / "labels.json").read_text())["data_list"]
    assert list(train.texts) == [one["instances"][0]["text"] for one in labels]
    for sample, one in zip(train, labels, strict=True):
        with Pillow.open(TOY / "imgs" / one["img_path"]) as image:
            assert sample.image.shape == (image.height, image.width, 3)
    with pytest.raises(DataError, match=r"cannot read the image '.*broken\.lmdb: image-000000001'"):
        opened(TOY / "broken.lmdb")[0].train[0]
    with pytest.raises(DataError, match=r"label\.lmdb' has no images: image-000000001 is missing"):
        _ = opened(TOY / "label.lmdb")[0].train
    shutil.copytree(TOY / "imgs.lmdb", tmp_path / "copy", copy_function=shutil.copyfile)
    assert len(opened(tmp_path)[0].train) == 10
