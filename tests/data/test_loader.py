"""From splits to batches."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
import pytest
import torch

from ocr_trainer.config.compose import compose
from ocr_trainer.data.loader import KeyedSampler
from ocr_trainer.data.types import Sample
from ocr_trainer.errors import DataError
from ocr_trainer.plugin import Context, Kind, SkippedItem, Task, discovery
from ocr_trainer.tasks.detection.data import pad, scoring_loader, training_loader
from ocr_trainer_runtime.detection.fit import fit

RUN = compose(
    [
        "model=dbnet",
        "model.neck_channels=8",
        "model.backbone.width=8",
        "augment.crop=64",
        "data.batch_size=2",
        "data.num_workers=0",
    ]
)


@pytest.fixture(scope="module")
def model() -> Any:
    return discovery.resolve(Kind.model, "dbnet")(RUN.model, Context(task=Task.detection))


class Numbered:
    """Pages that say their index in their pixels; some cannot be read."""

    def __init__(self, length: int, broken: set[int] = frozenset(), endless: bool = False) -> None:  # type: ignore[assignment]
        self.length, self.broken, self.endless = length, broken, endless

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Sample:
        if index in self.broken:
            raise DataError(f"page {index} is torn")
        image = np.full((64 + index % 3, 80, 3), index, np.uint8)
        quad = np.array([[10, 10], [50, 10], [50, 40], [10, 40]], np.float32)
        return Sample(image, [quad], [str(index)], np.array([False]), f"page {index}")


def plainly(run: Any = RUN) -> Any:
    still = replace(run.augment, scale=[1.0, 1.0], rotate=0.0, color=0.0)
    return replace(run, augment=still)


def seen(loader: Any, epoch: int = 0) -> list[int]:
    loader.sampler.set_epoch(epoch)
    return [int(image.max()) for batch in loader for image in batch.images]


def test_every_epoch_has_each_sample_once_in_another_order(model: Any):
    loader = training_loader(Numbered(10), model, plainly())
    first, second = seen(loader, 0), seen(loader, 1)
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
    assert seen(loader, 0) == first


def test_an_endless_split_gives_new_samples_in_every_epoch(model: Any):
    loader = training_loader(Numbered(10, endless=True), model, plainly())
    assert sorted(seen(loader, 0) + seen(loader, 3)) == [*range(10), *range(30, 40)]


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("workers", [1, 2])
def test_batches_do_not_depend_on_the_number_of_workers(model: Any, workers: int):
    alone = list(training_loader(Numbered(6), model, RUN))
    many = list(
        training_loader(Numbered(6), model, replace(RUN, data=replace(RUN.data, num_workers=workers)))
    )
    for one, other in zip(alone, many, strict=True):
        torch.testing.assert_close(one.images, other.images, rtol=0, atol=0)
        for name, target in one.targets.items():
            torch.testing.assert_close(target, other.targets[name], rtol=0, atol=0)


def test_an_unreadable_sample_is_replaced_and_named(model: Any):
    batches = list(training_loader(Numbered(6, broken={2, 3}), model, plainly()))
    assert Counter(int(image.max()) for batch in batches for image in batch.images) == {
        0: 1,
        1: 1,
        4: 3,
        5: 1,
    }
    said = {str(entry) for batch in batches for entry in batch.skipped}
    assert said == {"sample 2: page 2 is torn", "sample 3: page 3 is torn"}


@pytest.mark.parametrize("workers", [0, 1])
def test_a_split_that_cannot_be_read_at_all_gives_empty_batches_that_say_so(model: Any, workers: int):
    run = replace(plainly(), data=replace(RUN.data, num_workers=workers))
    batches = list(training_loader(Numbered(6, broken=set(range(6))), model, run))
    assert [len(batch) for batch in batches] == [0, 0, 0]
    assert len({entry for batch in batches for entry in batch.skipped}) == 6


def test_what_a_sample_says_of_itself_reaches_the_batch(model: Any):
    class Telling(Numbered):
        def __getitem__(self, index: int) -> Sample:
            sample = super().__getitem__(index)
            sample.skipped.append(SkippedItem("label", f"page {index}", None, "outside"))
            return sample

    for loader in (training_loader, scoring_loader):
        told = {entry.file for batch in loader(Telling(4), model, plainly()) for entry in batch.skipped}
        assert told == {f"page {index}" for index in range(4)}


def test_scoring_goes_through_in_order_and_skips_what_it_cannot_read(model: Any):
    run = replace(RUN, data=replace(RUN.data, eval_batch_size=2))
    batches = list(scoring_loader(Numbered(5, broken={1, 2, 3}), model, run))
    assert [[truth.texts for truth in batch.ground_truths] for batch in batches] == [[["0"]], [], [["4"]]]
    assert [len(batch) for batch in batches] == [1, 0, 1]
    assert [entry.reason for batch in batches for entry in batch.skipped] == [
        f"page {i} is torn" for i in (1, 2, 3)
    ]


def test_a_crop_that_the_model_cannot_take_is_refused(model: Any):
    run = replace(RUN, augment=replace(RUN.augment, crop=100))
    with pytest.raises(DataError, match=r"augment.crop=100 must be a multiple of 32"):
        training_loader(Numbered(5), model, run)


def test_padding_is_to_the_right_and_below(model: Any):
    images = [np.full((40, 30, 3), 7, np.uint8), np.full((20, 70, 3), 9, np.uint8)]
    stack = pad(images, 32)
    assert stack.shape == (2, 3, 64, 96)
    assert stack.dtype == torch.uint8
    for place, image in zip(stack, images, strict=True):
        height, width = image.shape[:2]
        assert (place[:, :height, :width] == int(image[0, 0, 0])).all()
        assert place.sum() == image.sum()


def test_an_image_is_scored_at_the_models_scale(model: Any):
    image, (fx, fy) = fit(np.zeros((100, 333, 3), np.uint8), model)
    scale = model.scale(100, 333)
    assert image.shape[:2] == (round(100 * scale), round(333 * scale))
    assert (fx, fy) == (image.shape[1] / 333, image.shape[0] / 100)


@pytest.mark.parametrize("length", [1, 7, 8])
def test_processes_share_the_samples(length: int, monkeypatch: pytest.MonkeyPatch):
    from ocr_trainer.data import loader

    def keys(shuffle: bool) -> list[list[int]]:
        found = []
        for rank in range(3):
            monkeypatch.setattr(loader, "rank_and_world_size", lambda rank=rank: (rank, 3))
            mine = KeyedSampler(length, seed=5, shuffle=shuffle)
            found.append([index for _, index in mine])
            assert len(found[-1]) == len(mine)
        return found

    scored = keys(shuffle=False)
    assert sorted(chain(*scored)) == list(range(length))
    trained = keys(shuffle=True)
    assert {len(share) for share in trained} == {length // 3}
    assert len(set(chain(*trained))) == 3 * (length // 3)
