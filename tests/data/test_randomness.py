"""Chance and the order of samples follow from the place in the run, whatever happened before."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.cutting import DETECTOR, RECOGNIZER, Cut, cut_off, differ, ocr_train
from helpers.launching import run_folder
from hypothesis import given, settings
from hypothesis import strategies as st
from lightning.pytorch import Callback, Trainer

from ocr_trainer.checkpoint.read import read
from ocr_trainer.config.schema import DataConfig
from ocr_trainer.data import loader
from ocr_trainer.data.loader import KeyedSampler, Loader, make_loader
from ocr_trainer.data.workers import TracksCurrentSample
from ocr_trainer.tasks.recognition.data import BucketCollate, BucketLoader


class Numbers(TracksCurrentSample[tuple[int, int]]):
    """Samples that are their own keys."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, key: tuple[int, int]) -> tuple[int, int]:
        return key


class ReverseCollate(BucketCollate):
    """Cuts a bucket into batches, in reverse order."""

    def __call__(self, keys: list[tuple[int, int]]) -> list[list[tuple[int, int]]]:
        return [keys[n : n + self.batch_size] for n in range(0, len(keys), self.batch_size)][::-1]


def made(samples: int, batch: int, pool: int | None) -> tuple[Loader, KeyedSampler]:
    """Make a loader of detection (without pools) or of recognition."""
    keys, data = KeyedSampler(samples, 7, shuffle=True), DataConfig(num_workers=0)
    if pool is None:
        return make_loader(Numbers(samples), keys, batch, list, data), keys
    return make_loader(
        Numbers(samples), keys, batch * pool, ReverseCollate(batch, 1), data, kind=BucketLoader
    ), keys


@given(
    samples=st.integers(3, 60), batch=st.integers(1, 5), pool=st.one_of(st.none(), st.integers(1, 4)),
    ranks=st.integers(1, 3), epoch=st.integers(0, 2), share=st.floats(0, 1),
)  # fmt: skip
@settings(max_examples=150)
def test_case_11_wherever_an_epoch_is_cut_each_sample_comes_once(
    samples: int, batch: int, pool: int | None, ranks: int, epoch: int, share: float
):
    seen: list[tuple[int, int]] = []
    for rank in range(ranks):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(loader, "rank_and_world_size", lambda rank=rank: (rank, ranks))
            whole, keys = made(samples, batch, pool)
            keys.set_epoch(epoch)
            expected = list(whole)
            assert len(expected) == len(whole)
            done = round(share * len(expected))
            again, keys = made(samples, batch, pool)
            again.start_at(epoch, done)
            # What is drawn ahead and thrown away, as Lightning does, changes nothing.
            for _ in range(2):
                keys.set_epoch(epoch)
                assert list(again) == expected[done:]
            keys.set_epoch(epoch + 1)
            assert len(list(again)) == len(expected)
            seen += [key for part in expected for key in part]
    assert max(Counter(seen).values(), default=1) == 1
    # What would give one process more than another waits for another epoch.
    assert samples - len(seen) < ranks


@dataclass
class Notes(Callback):
    """What was learned at each step, and the next 10 numbers of each generator while it was."""

    sources: dict[int, list[str]] = field(default_factory=dict)
    drawn: dict[int, list[float]] = field(default_factory=dict)

    def on_before_backward(self, trainer: Trainer, *_: Any) -> None:
        numbers = [draw() for draw in (random.random, np.random.random) for _ in range(10)]
        self.drawn[trainer.global_step] = [*numbers, *torch.rand(10).tolist()]

    def on_train_batch_start(self, trainer: Trainer, _: Any, batch: Any, __: int) -> None:
        self.sources[trainer.global_step] = batch.sources


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Notes]:
    """An unbroken run with what was noted of it."""
    place, notes = tmp_path_factory.mktemp("whole"), Notes()
    assert ocr_train(place, RECOGNIZER, notes) == 0
    return run_folder(place), notes


def test_case_12_the_generators_go_on(whole: tuple[Path, Notes], tmp_path: Path):
    notes = whole[1]
    assert sorted(notes.drawn) == list(range(12))
    assert len({number for numbers in notes.drawn.values() for number in numbers}) == 12 * 30
    folder = cut_off(tmp_path, RECOGNIZER, Cut("on_train_batch_end", 4))
    random.seed(99), np.random.seed(99), torch.manual_seed(99)
    resumed = Notes()
    assert ocr_train(tmp_path, ["resume", str(folder)], resumed) == 0
    assert resumed.drawn == {step: numbers for step, numbers in notes.drawn.items() if step >= 4}


def every_sample_once(place: Path, kill: bool, call: int) -> None:
    """Cut a run off, go on with it, and count what was learned."""
    words, first, second = [*RECOGNIZER, "checkpoint.every_n_steps=3"], Notes(), Notes()
    cut = Cut("on_train_batch_end", call, kill)
    folder = cut_off_with(place, words, cut, first)
    kept = folder / "checkpoints" / "last.ckpt"
    done = read(kept)["global_step"] if kept.is_file() else 0
    assert ocr_train(place, ["resume", str(folder)], second) == 0
    assert sorted(second.sources) == list(range(done, 12))
    learned = {step: names for step, names in first.sources.items() if step < done} | second.sources
    for epoch in (0, 1):
        names = [name for step in range(6 * epoch, 6 * epoch + 6) for name in learned[step]]
        # Texts are drawn anew in every epoch, under new names.
        assert sorted(names) == sorted(f"synthetic/train/{22 * epoch + index}" for index in range(22))


def cut_off_with(place: Path, words: list[str], cut: Cut, notes: Notes) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("helpers.cutting.ocr_train", lambda p, w, c: ocr_train(p, w, notes, c))
        return cut_off(place, words, cut)


@pytest.mark.parametrize(("call", "kill"), [(5, True), (9, False)])
def test_case_11_each_sample_is_learned_once_an_epoch(call: int, kill: bool, tmp_path: Path):
    every_sample_once(tmp_path, kill, call)


@pytest.mark.slow
def test_case_11_twenty_times(tmp_path: Path):
    chance = random.Random(11)
    for time in range(20):
        every_sample_once(tmp_path / str(time), bool(time % 2), chance.randint(1, 12))


@pytest.mark.parametrize(
    ("before", "after"), [(0, 2), pytest.param(2, 0, marks=pytest.mark.slow), pytest.param(2, 4, marks=pytest.mark.slow)]
)  # fmt: skip
def test_case_14_workers_change_nothing(whole: tuple[Path, Notes], tmp_path: Path, before: int, after: int):
    words = [*RECOGNIZER, f"data.num_workers={before}"]
    folder = cut_off(tmp_path, words, Cut("on_train_batch_end", 3))
    notes = Notes()
    assert ocr_train(tmp_path, ["resume", str(folder), f"data.num_workers={after}"], notes) == 0
    assert notes.sources == {step: names for step, names in whole[1].sources.items() if step >= 3}
    found = differ(whole[0], folder)
    assert set(found) <= {f"/{name}.ckpt/ocr_trainer/config/data/num_workers" for name in ("best", "last")}


class Losses(Callback):
    """The loss of each step."""

    def __init__(self) -> None:
        self.of: dict[int, float] = {}

    def on_before_backward(self, trainer: Trainer, _: Any, loss: torch.Tensor) -> None:
        self.of[trainer.global_step] = float(loss)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("deterministic", [True, False])
def test_case_16_on_a_gpu(deterministic: bool, tmp_path: Path):
    words = [word for word in DETECTOR if not word.startswith("trainer.accelerator")]
    words += ["trainer.accelerator=gpu", "ema.enabled=true", "dataset.train_pages=8"]
    words += [f"trainer.deterministic={str(deterministic).lower()}"]
    unbroken, resumed = Losses(), Losses()
    assert ocr_train(tmp_path / "whole", words, unbroken) == 0
    folder = cut_off(tmp_path / "cut", words, Cut("on_train_batch_end", 3))
    assert ocr_train(tmp_path / "cut", ["resume", str(folder)], resumed) == 0
    expected = {step: loss for step, loss in unbroken.of.items() if step >= 3}
    if deterministic:
        assert resumed.of == expected
        assert differ(run_folder(tmp_path / "whole"), folder) == []
    else:
        assert resumed.of == pytest.approx(expected, rel=1e-3)
