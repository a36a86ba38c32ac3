"""Checkpoint files: killed, full disk, flipped bits. A whole one stands at every moment, and damage is told."""

from __future__ import annotations

import logging
import os
import random
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import RECOGNIZER, write_checkpoint
from faults.states import PLACE, copied, killed_by, killing_at, save, state, steps, strays

from ocr_trainer.checkpoint import files
from ocr_trainer.checkpoint.callback import CheckpointFileIO
from ocr_trainer.checkpoint.read import BEST, LAST, PREVIOUS, newest, prepare_folder, read
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
            found = newest(folder)
            assert found is not None
            assert found.passed_over == []
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
        assert warning == (f"{storage.failed}\n  what was kept before still stands; training goes on")
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


def test_case_6_each_flipped_bit_and_each_truncation_is_found(kept: Path, tmp_path: Path):
    last = kept / LAST
    real = torch.load(write_checkpoint(tmp_path / "real.ckpt", RECOGNIZER), weights_only=True)
    real["ocr_trainer"]["place"] = PLACE
    files.write(real | {"global_step": 9}, last, keep=kept / PREVIOUS)
    whole, chance, found = last.read_bytes(), random.Random(0), 0
    places = [chance.randrange(len(whole)) for _ in range(300)]
    for place in [*places, *range(len(whole) - files.LENGTH - 4, len(whole))]:
        with last.open("r+b") as file:
            file.seek(place)
            file.write(bytes([whole[place] ^ 1 << chance.randrange(8)]))
            file.flush()
            found += passed_over(kept)
            file.seek(place)
            file.write(whole[place : place + 1])
            file.flush()
    assert found == len(places) + files.LENGTH + 4
    assert newest(kept).path == last  # type: ignore[union-attr]
    for length in sorted((chance.randrange(len(whole)) for _ in range(100)), reverse=True):
        os.truncate(last, length)
        found += passed_over(kept)
    assert found == 400 + files.LENGTH + 4


def passed_over(folder: Path) -> bool:
    """Tell whether the last is refused and the one before is taken, which is told."""
    with pytest.raises(CheckpointError, match=LAST):
        read(folder / LAST)
    taken = newest(folder)
    assert taken is not None
    (reason,) = taken.passed_over
    return str(folder / LAST) in reason and taken.path == folder / PREVIOUS


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
        for step in (3, 4, 5, 6):
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
    found = newest(kept)
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
