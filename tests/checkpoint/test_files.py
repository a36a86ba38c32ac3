"""Checkpoint files survive kills, full disks and flipped bits: a whole one is always there, and damage is found."""

from __future__ import annotations

import logging
import os
import random
import resource
import shutil
import signal
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.checkpoints import RECOGNIZER, write_checkpoint
from helpers.states import copied, killed_by, killing_at, save, state, steps, strays

from ocr_trainer.checkpoint import files
from ocr_trainer.checkpoint.callback import CheckpointFileIO
from ocr_trainer.checkpoint.read import ADVICE, BEST, LAST, PREVIOUS, find_newest, prepare_folder, read
from ocr_trainer.errors import CheckpointError


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Previous of step 1, last of step 2, best a second name of that."""
    folder = tmp_path / "kept"
    folder.mkdir()
    save(folder, 1)
    save(folder, 2)
    files.link_as(folder / LAST, folder / BEST)
    return folder


@pytest.mark.parametrize("turns", [1, pytest.param(10, marks=pytest.mark.slow)])
def test_case_3_killed_between_any_two_lines_of_a_save(kept: Path, turns: int):
    for turn in range(turns):
        seen = []
        for line in range(1, 200):
            folder = copied(kept, f"{turn}-{line}")
            if not killed_by(killing_at(line, lambda: save(folder, 3, 100 << turn))):  # noqa: B023
                break
            found = find_newest(folder)
            assert found is not None
            assert found.rejected == []
            assert found.path.name == LAST
            assert steps(folder) in (
                {PREVIOUS: 1, LAST: 2, BEST: 2},
                {PREVIOUS: 2, LAST: 2, BEST: 2},
                {PREVIOUS: 2, LAST: 3, BEST: 2},
            )
            assert strays(folder) <= 1
            prepare_folder(folder, found)
            assert not list(folder.glob(".*"))
            seen.append(steps(folder)[LAST])
        assert steps(folder) == {PREVIOUS: 2, LAST: 3, BEST: 2}
        assert seen == sorted(seen)
        assert set(seen) == {2, 3}
        assert len(seen) > 30
        print(f"{len(seen)} of {len(seen)}")


def test_case_3_killed_within_the_writing(kept: Path):
    def act() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        save(folder, 3, 100_000)

    for most in range(1000, 400_000, 40_000):
        folder = copied(kept, str(most))
        assert killed_by(act) == signal.SIGXFSZ
        assert steps(folder) == {PREVIOUS: 1, LAST: 2, BEST: 2}
        assert 0 < sum(path.stat().st_size for path in folder.glob(".*")) <= most


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """Have the system refuse larger files, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_case_5_no_room_for_a_save(kept: Path, caplog: pytest.LogCaptureFixture):
    storage = CheckpointFileIO()
    for attempt in range(10):
        caplog.clear()
        with no_file_above(attempt * 40_000), caplog.at_level(logging.INFO, "ocr_trainer"):
            storage.save_checkpoint(state(3, 100_000), kept / LAST, storage_options=kept / PREVIOUS)
        (warning,) = caplog.messages
        assert warning == (f"{storage.failed}\n  the previous checkpoint is unchanged; training continues")
        assert warning.startswith("last.ckpt of step 3 cannot be written: File too large (0.4 MB needed, ")
        assert steps(kept) == {PREVIOUS: 1, LAST: 2, BEST: 2}
        assert not list(kept.glob(".*"))
    storage.save_checkpoint(state(4), kept / LAST, storage_options=kept / PREVIOUS)
    assert steps(kept) == {PREVIOUS: 2, LAST: 4, BEST: 2}
    assert storage.failed is None


def test_case_5_no_room_for_a_second_name(kept: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise PermissionError("no hard links here")

    monkeypatch.setattr(os, "link", refuse)
    save(kept, 3)
    assert steps(kept) == {PREVIOUS: 2, LAST: 3, BEST: 2}
    storage = CheckpointFileIO()
    with no_file_above(1000):
        storage.link_as(kept / LAST, kept / BEST)
    assert str(storage.failed).startswith("best.ckpt cannot be written: File too large (0.0 MB needed, ")
    assert steps(kept)[BEST] == 2
    assert not list(kept.glob(".*"))


def test_case_5_a_file_in_the_way_of_the_folder(tmp_path: Path):
    (tmp_path / "checkpoints").touch()
    storage = CheckpointFileIO()
    storage.save_checkpoint(state(3), tmp_path / "checkpoints" / "more" / LAST)
    assert "MB free in " + str(tmp_path) + ")" in str(storage.failed)


VERSION_0_1 = Path(__file__).parents[1] / "data/version_0_1"


def equal(one: Any, other: Any) -> bool:
    """Return whether two checkpoints hold the same, bit for bit."""
    if isinstance(one, torch.Tensor):
        alike = one.dtype == other.dtype and one.shape == other.shape and one.stride() == other.stride()
        return alike and one.numpy().tobytes() == other.numpy().tobytes()
    if isinstance(one, dict):
        return list(one) == list(other) and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return type(one) is type(other) and one == other


def outcome(path: Path, whole: dict[str, Any]) -> str:
    """Return what a reader notices of damage; "missed" if it gets other content and notices nothing."""
    try:
        return "harmless" if equal(read(path), whole) else "missed"
    except CheckpointError as error:
        return "found" if str(error).startswith(f"{path} cannot be read as a checkpoint: ") else "missed"


def flipped(path: Path, places: Iterable[tuple[int, int]]) -> Counter[str]:
    """Flip one bit at a time, given by byte and bit, and count the outcomes."""
    content, whole, outcomes = path.read_bytes(), read(path), Counter[str]()
    with path.open("r+b", buffering=0) as file:
        for place, bit in places:
            file.seek(place)
            file.write(bytes([content[place] ^ 1 << bit]))
            outcomes[outcome(path, whole)] += 1
            file.seek(place)
            file.write(content[place : place + 1])
    assert equal(read(path), whole)
    return outcomes


def truncated(path: Path, lengths: Iterable[int]) -> Counter[str]:
    """Truncate a file to each length, from long to short, and count the outcomes."""
    whole, outcomes = read(path), Counter[str]()
    for length in sorted(lengths, reverse=True):
        os.truncate(path, length)
        outcomes[outcome(path, whole)] += 1
    return outcomes


@pytest.mark.parametrize("version", ["of today", pytest.param("0.1", marks=pytest.mark.slow)])
def test_case_6_flipped_bits_and_truncations_are_found_or_harmless(tmp_path: Path, version: str):
    """Version 0.1 appends the SHA-256 of the file as the comment of the zip archive; it is not read."""
    path, rng = tmp_path / "last.ckpt", random.Random(0)
    if version == "0.1":
        shutil.copyfile(VERSION_0_1 / "recognition/stopped/checkpoints/last.ckpt", path)
    else:
        write_checkpoint(path, RECOGNIZER)
    size = path.stat().st_size
    random_bits = flipped(path, [(rng.randrange(size), rng.randrange(8)) for _ in range(100)])
    assert (random_bits["missed"], random_bits.total()) == (0, 100)
    assert random_bits["found"] > 90
    last_bytes = flipped(path, [(place, rng.randrange(8)) for place in range(size - 90, size)])
    assert (last_bytes["missed"], last_bytes.total()) == (0, 90)
    lengths = [rng.randrange(size - 200) for _ in range(40)]
    assert truncated(path, lengths) == {"found": 40}
    print(f"{random_bits}, {last_bytes}")


def test_case_6_every_byte_of_a_small_checkpoint(tmp_path: Path):
    """Of the zip directory, which has the names, sizes and CRCs, every bit."""
    path, rng = tmp_path / "last.ckpt", random.Random(0)
    files.write(state(1, 30), path)
    with zipfile.ZipFile(path) as archive:
        directory = archive.start_dir
    size = path.stat().st_size
    outcomes = flipped(path, [(place, rng.randrange(8)) for place in range(directory)])
    outcomes += flipped(path, product(range(directory, size), range(8)))
    assert outcomes.total() == directory + 8 * (size - directory)
    assert outcomes["missed"] == 0
    assert outcomes["found"] > 2000
    assert truncated(path, range(size)) == {"found": size}
    print(outcomes)


def test_case_6_what_torch_and_zipfile_miss(tmp_path: Path):
    """`torch.load` compares no CRC. Neither it nor `testzip` notices a record that became a folder."""
    path = tmp_path / "last.ckpt"
    files.write(state(1, 30), path)
    content, whole = path.read_bytes(), read(path)
    with zipfile.ZipFile(path) as archive:
        (weights,) = (name for name in archive.namelist() if name.endswith("/data/0"))
    place = content.index(whole["state_dict"]["model.w"].numpy().tobytes())
    path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    assert not equal(torch.load(path, weights_only=True), whole)
    with pytest.raises(CheckpointError, match=f"the record '{weights}' is damaged"):
        read(path)
    entry = content.rindex(weights.encode()) - 46
    attribute = entry + 38
    assert content[entry : entry + 4] == b"PK\1\2"
    path.write_bytes(content[:attribute] + bytes([files.FOLDER]) + content[attribute + 1 :])
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
    assert torch.load(path, weights_only=True)["state_dict"].keys() == {"model.w"}
    with pytest.raises(CheckpointError, match=f"the record '{weights}' is damaged"):
        read(path)


def test_case_6_a_damaged_last_is_passed_over(kept: Path):
    last = kept / LAST
    os.truncate(last, last.stat().st_size - 100)
    taken = find_newest(kept)
    assert taken is not None
    assert taken.path == kept / PREVIOUS
    assert taken.rejected == [
        f"{path} cannot be read as a checkpoint: it is not a zip archive, or its end is missing\n  {ADVICE}"
        for path in (last, kept / BEST)
    ]


class Unsavable:
    """Breaks off the writing of what holds it."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __reduce__(self) -> str:
        raise self.error


@pytest.mark.parametrize("error", [ValueError, MemoryError, KeyboardInterrupt, RuntimeError])
def test_case_7_an_exception_within_a_save_leaves_nothing(kept: Path, error: type[BaseException]):
    before = {path.name: path.read_bytes() for path in kept.iterdir()}
    for last in (False, True):
        content = state(3, 100_000) | {"more": Unsavable(error("of the test"))}
        with pytest.raises(error, match="of the test"):
            CheckpointFileIO().save_checkpoint(
                content, kept / (LAST if last else "new.ckpt"), kept / PREVIOUS
            )
        assert {path.name: path.read_bytes() for path in kept.iterdir()} == before


def test_case_8_killed_while_names_change_hands(kept: Path):
    def act() -> None:
        for step in (3, 4, 5, 6, 7):
            save(folder, step)
            files.link_as(folder / LAST, folder / BEST)

    found = set()
    for attempt in range(100):
        folder = copied(kept, str(attempt))
        assert killed_by(killing_at(2 * attempt + 1, act)) == signal.SIGKILL
        now = steps(folder)
        assert now.keys() == {PREVIOUS, LAST, BEST}
        assert now[LAST] - 1 <= now[BEST] <= now[LAST]
        assert now[LAST] - 1 <= now[PREVIOUS] <= now[LAST]
        assert strays(folder) <= 1
        found.add(tuple(now.values()))
    assert len(found) > 6


def test_case_8_a_damaged_last_is_not_kept_in_place_of_a_good_one(kept: Path):
    (kept / LAST).unlink()
    (kept / LAST).write_bytes(b"damaged")
    (kept / BEST).unlink()
    found = find_newest(kept)
    assert found is not None
    assert found.path.name == PREVIOUS
    prepare_folder(kept, found)
    files.link_as(kept / LAST, kept / BEST)
    assert steps(kept) == {PREVIOUS: 1, LAST: 1, BEST: 1}
    save(kept, 2)
    assert steps(kept) == {PREVIOUS: 1, LAST: 2, BEST: 1}


def test_case_9_all_is_on_disk_before_the_old_one_is_let_go(kept: Path, monkeypatch: pytest.MonkeyPatch):
    done: list[str] = []

    def noted(name: str, describe: Callable[..., str]) -> None:
        real = getattr(os, name)

        def call(*words: Any, **options: Any) -> Any:
            done.append(f"{name} {describe(*words)}")
            return real(*words, **options)

        monkeypatch.setattr(os, name, call)

    noted("fsync", lambda descriptor: Path(f"/proc/self/fd/{descriptor}").readlink().name)
    noted("link", lambda old, new: f"{Path(old).name} {Path(new).name}")
    noted("replace", lambda old, new: f"{Path(old).name} {Path(new).name}")
    save(kept, 3)
    assert done == [
        "fsync .last.ckpt.new",
        "fsync kept",
        "link last.ckpt .previous.ckpt.new",
        "replace .previous.ckpt.new previous.ckpt",
        "replace .last.ckpt.new last.ckpt",
        "fsync kept",
    ]
