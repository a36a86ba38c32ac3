"""Shares and lists."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_trainer.errors import DataError
from ocr_trainer.formats.assign import assign_splits, fill_missing_splits, read_list, refuse_overlap
from ocr_trainer.plugin import DataReport

names = st.lists(st.text(max_size=12), unique=True, min_size=2, max_size=60)
SHARES = {"test": 0.2, "val": 0.1}


def test_shares_are_about_as_large_as_asked_for() -> None:
    homes = list(assign_splits(map(str, range(10_000)), SHARES, 0).values())
    counts = {split: homes.count(split) for split in ("train", "val", "test")}
    assert counts == {  # five standard deviations of a binomial draw
        "train": pytest.approx(7000, abs=230),
        "val": pytest.approx(1000, abs=150),
        "test": pytest.approx(2000, abs=200),
    }


def test_a_share_is_the_same_in_every_process_and_release() -> None:
    drawn = [
        name for name, split in assign_splits(map(str, range(40)), {"val": 0.1}, 0).items() if split == "val"
    ]
    assert drawn == ["14", "34"]


@settings(deadline=None)
@given(names, st.randoms(use_true_random=False), st.integers(0, 9))
def test_the_order_of_names_does_not_matter(given_names: list[str], random, seed: int) -> None:
    shuffled = random.sample(given_names, len(given_names))
    assert assign_splits(given_names, SHARES, seed) == assign_splits(shuffled, SHARES, seed)


def test_an_added_name_moves_no_other() -> None:
    before = assign_splits(map(str, range(200)), SHARES, 0)
    after = assign_splits(map(str, range(300)), SHARES, 0)
    assert {name: after[name] for name in before} == before


def test_a_larger_share_for_val_leaves_test_alone() -> None:
    few, many = (assign_splits(map(str, range(300)), {"test": 0.2, "val": val}, 0) for val in (0.1, 0.3))
    assert [n for n in few if few[n] == "test"] == [n for n in many if many[n] == "test"]


def test_another_seed_draws_others() -> None:
    assert assign_splits(map(str, range(100)), SHARES, 0) != assign_splits(map(str, range(100)), SHARES, 1)


@settings(deadline=None)
@given(names)
def test_a_share_of_few_images_is_not_empty_and_train_keeps_one(given_names: list[str]) -> None:
    homes = list(assign_splits(given_names, {"val": 0.001}, 0).values())
    assert homes.count("val") >= 1
    assert homes.count("train") >= 1


def test_only_missing_splits_are_carved() -> None:
    pool = {str(i): i for i in range(100)}
    listed = {"x": 1}
    members = fill_missing_splits({"train": pool, "val": listed}, SHARES, 0)
    assert members["val"] == listed
    assert members["test"]
    assert members["train"] | members["test"] == pool
    assert not members["train"].keys() & members["test"].keys()
    assert fill_missing_splits({"test": pool}, SHARES, 0) == {"test": pool}
    assert fill_missing_splits({"train": pool}, {"val": 0.0}, 0) == {"train": pool}
    assert fill_missing_splits({"train": {"a": 1}}, SHARES, 0) == {"train": {"a": 1}}


def test_a_list_names_images_with_or_without_suffix_and_folder(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_bytes("﻿b\r\nimages/a 1.JPG\r\n\r\nc.v2\r\nimg\\d.png\r\nmissing\r\nb.jpg\r\n".encode())
    known = {stem: Path(stem) for stem in ("a 1", "b", "c.v2", "d", "e")}
    data_report = DataReport()
    assert list(read_list(path, known, data_report)) == ["b", "a 1", "c.v2", "d"]
    assert [str(entry) for entry in data_report.skipped] == [
        f"{path}:6: 'missing' there is no such image",
        f"{path}:7: 'b.jpg' is already listed",
    ]
    assert data_report.images == 2


def test_a_missing_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no list file"):
        read_list(tmp_path / "train.txt", {}, DataReport())


def test_an_image_in_two_splits_is_refused() -> None:
    images = {"train": [Path(f"{i}.jpg") for i in range(9)], "val": [Path(f"{i}.jpg") for i in range(4, 12)]}
    with pytest.raises(DataError) as caught:
        refuse_overlap(images, {"train": Path("train.txt"), "val": Path("val.txt")})
    assert str(caught.value) == (
        "'train.txt' and 'val.txt' share 5 images, but no image may be in two splits\n"
        "  4.jpg, 5.jpg, 6.jpg and 2 more"
    )
    names = {split: iter(map("a/{}".format, some)) for split, some in images.items()}
    with pytest.raises(DataError) as of_names:
        refuse_overlap(names, {"train": Path("train.txt"), "val": Path("val.txt")})
    assert str(of_names.value) == str(caught.value)
    refuse_overlap({"train": [Path("1.jpg")], "val": [Path("2.jpg")]}, {})
