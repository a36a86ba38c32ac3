"""What loaders of every task share: who gets which samples, in which order, from which place on.

Randomness is keyed by (seed, epoch, index), so it depends neither on the number of workers nor on
the order in which they work, nor on where a resumed run goes on.
"""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler

from ocr_trainer.config.schema import DataConfig
from ocr_trainer.data.seeding import seed_generators
from ocr_trainer.data.split import Split, Unusable, name_of, unreadable
from ocr_trainer.data.types import Image
from ocr_trainer.data.workers import WORKER_MONITOR, TracksCurrentSample, begin, block_signals
from ocr_trainer.errors import DataError
from ocr_trainer.internals.torch import forget_iterator, kill_workers, shut_down_workers
from ocr_trainer.plugin import SkippedItem

Key = tuple[int, int]
"""Epoch and index."""

Sum = TypeVar("Sum")


class KeyedSampler(Sampler[Key]):
    """Yields (epoch, index) for each sample that this process is to handle."""

    def __init__(self, length: int, seed: int, shuffle: bool, whole: int = 1) -> None:
        """Keep what the order follows from.

        Args:
            length: How many samples there are.
            seed: Of the run.
            shuffle: Whether to learn from them, in an order that changes, and not to score them.
            whole: The samples of a batch, where an epoch has whole ones only, unless it has none.
        """
        self.length, self.seed, self.shuffle, self.whole = length, seed, shuffle, whole
        self.epoch = 0
        self.done = (0, 0)
        """An epoch, and how many of its samples this process had before the run was resumed."""

    def set_epoch(self, epoch: int) -> None:
        """Begin an epoch; Lightning calls this."""
        self.epoch = epoch

    def __len__(self) -> int:
        rank, ranks = rank_and_world_size()
        if not self.shuffle:
            return len(range(rank, self.length, ranks))
        # In training every process takes equally many, as they step together.
        share = self.length // ranks
        return share - share % self.whole if share > self.whole else share

    def __iter__(self) -> Iterator[Key]:
        order: Sequence[int] = range(self.length)
        if self.shuffle:
            order = np.random.default_rng((self.seed, self.epoch)).permutation(self.length).tolist()
        rank, ranks = rank_and_world_size()
        epoch, done = self.done
        begin = done if epoch == self.epoch else 0
        yield from ((self.epoch, index) for index in order[rank::ranks][begin : len(self)])


def rank_and_world_size() -> tuple[int, int]:
    """Return the rank of this process and how many there are."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1


def all_reduce_sum(counts: Sum) -> Sum:
    """Add up what all processes counted, where there are several."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return counts
    parts: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(parts, counts)
    return sum(parts[1:], start=parts[0])


NO_IMAGES = torch.zeros((0, 3, 1, 1), dtype=torch.uint8)
"""The images of a batch of which none could be read."""


class Learnt(Protocol):
    """What becomes of a sample in training."""

    skipped: list[SkippedItem]


E = TypeVar("E", bound=Learnt)


class TrainingSet(TracksCurrentSample[E], ABC, Generic[E]):
    """Samples as they are learned. One that cannot be used is replaced by the next."""

    TRIES = 20

    nothing: Callable[[], E]
    """Makes what stands for a sample where none could be used."""

    def __init__(self, split: Split[Any], seed: int) -> None:
        """Keep the split and what chance follows from."""
        self.split, self.seed = split, seed
        self.endless = getattr(split, "endless", False)

    @abstractmethod
    def encode(self, sample: Any, rng: np.random.Generator) -> E:
        """Augment a sample and return what is learned of it.

        Raises:
            Unusable: Nothing is.
        """

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, key: Key | int) -> E:
        # Lightning's overfit_batches puts a plain sampler in place of ours: the same samples in every epoch.
        epoch, index = key if isinstance(key, tuple) else (0, key)
        self.note(index)
        # For plugins that draw from the global generators; ours are given theirs.
        seed_generators(self.seed, epoch, index)
        skipped: list[SkippedItem] = []
        for attempt in range(min(self.TRIES, len(self))):
            place = epoch * len(self) + index + attempt if self.endless else (index + attempt) % len(self)
            try:
                sample = self.split[place]
                skipped += sample.skipped
                encoded = self.encode(sample, np.random.default_rng((self.seed, epoch, index)))
                break
            except DataError as error:
                skipped.append(unreadable(self.split, place, error))
            except Unusable as error:
                skipped.append(SkippedItem(error.what, name_of(self.split, place), None, str(error)))
        else:
            # An exception would reach the user as torch words those of its workers.
            encoded = self.nothing()
        encoded.skipped = skipped
        return encoded


class ScoringSet(TracksCurrentSample[Any], ABC):
    """Samples as a model is scored on them: image, truth, what was skipped. Unusable ones are `SkippedItem`."""

    def __init__(self, split: Split[Any], model: Any) -> None:
        """Keep the split and the model whose size its images are brought to."""
        self.split, self.model = split, model

    @abstractmethod
    def show(self, sample: Any) -> tuple[Image, Any]:
        """Return what the model sees of a sample, and what it is to find there.

        Raises:
            Unusable: It cannot be scored.
        """

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, key: Key | int) -> tuple[Image, Any, list[SkippedItem]] | SkippedItem:
        index = key[1] if isinstance(key, tuple) else key
        self.note(index)
        try:
            sample = self.split[index]
        except DataError as error:
            return unreadable(self.split, index, error)
        try:
            image, truth = self.show(sample)
        except Unusable as error:
            return SkippedItem(error.what, name_of(self.split, index), None, str(error))
        return image, truth, sample.skipped


class Loader(DataLoader[Any]):
    """A loader that can begin within an epoch, and whose workers end with it."""

    _running: Any = None
    """Torch's iterator over the batches."""

    def begin_at(self, epoch: int, batches: int) -> None:
        """Go on after so many batches of an epoch, counted from 0."""
        if isinstance(self.sampler, KeyedSampler):
            self.sampler.done = (epoch, batches * (self.batch_size or 1))

    # A generator, so that workers begin once Lightning has told the sampler which epoch it is.
    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """Yield batches."""
        with block_signals():
            batches = self._running = super().__iter__()
        WORKER_MONITOR.register()
        try:
            yield from WORKER_MONITOR.each(batches)
            if isinstance(self.dataset, TracksCurrentSample):
                self.dataset.forget()
        except GeneratorExit:
            raise
        except BaseException:
            kill_workers(batches)
            raise
        finally:
            if not self.persistent_workers:
                shut_down_workers(batches)

    def close(self) -> None:
        """End the workers that stay from epoch to epoch."""
        shut_down_workers(self._running)
        self._running = None
        forget_iterator(self)

    def kill(self) -> None:
        """End all workers at once."""
        kill_workers(self._running)
        self._running = None
        forget_iterator(self)


def make_loader(
    dataset: TracksCurrentSample[Any],
    keys: KeyedSampler,
    batch_size: int,
    collate: Any,
    data: DataConfig,
    kind: type[Loader] = Loader,
) -> Loader:
    """Return a loader whose workers take one processor each."""
    workers = data.num_workers if data.num_workers is not None else min(8, (os.cpu_count() or 1) // 2)
    dataset.watch(workers)
    return kind(
        dataset,
        batch_size=batch_size,
        sampler=keys,
        num_workers=workers,
        collate_fn=collate,
        pin_memory=torch.cuda.is_available(),
        timeout=data.timeout if workers else 0,
        worker_init_fn=begin,
        # Of its own children a process hears when they die; those of a server that forks are not.
        multiprocessing_context="fork" if workers and sys.platform == "linux" else None,
        persistent_workers=workers > 0 and keys.shuffle,
    )
