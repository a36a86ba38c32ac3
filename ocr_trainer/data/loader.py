"""Data loading shared by all tasks: samplers, datasets and loaders that resume within an epoch.

Randomness is keyed by (seed, epoch, index). It therefore does not depend on the number of workers, the
order in which they work, or the point at which a run is resumed.
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
from ocr_trainer.data.workers import WORKER_MONITOR, TracksCurrentSample, block_signals, init_worker
from ocr_trainer.errors import DataError, OcrTrainerError
from ocr_trainer.internals.torch import (
    forget_iterator,
    kill_workers,
    shut_down_workers,
    without_worker_traceback,
)
from ocr_trainer.plugin import SkippedItem

Key = tuple[int, int]
"""Epoch and index of a sample, both from 0."""

Sum = TypeVar("Sum")


class KeyedSampler(Sampler[Key]):
    """Yields (epoch, index) for each sample of this process."""

    def __init__(self, length: int, seed: int, shuffle: bool, batch_size: int = 1) -> None:
        """Initialize the sampler.

        Args:
            length: Number of samples in the split.
            seed: Random seed of the run.
            shuffle: True for training: the order changes with each epoch, and every process gets the same
                number of samples. False for evaluation: file order, and every sample is read once.
            batch_size: With `shuffle`, drop the samples that do not fill a last batch of this size, as
                `drop_last` does. An epoch with less than one full batch keeps its samples. 1 drops none.
        """
        self.length, self.seed, self.shuffle, self.batch_size = length, seed, shuffle, batch_size
        self.epoch = 0
        self.done = (0, 0)
        """Epoch, and the number of its samples that this process consumed before the run was resumed."""

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch that the next iteration yields. Lightning calls this."""
        self.epoch = epoch

    def __len__(self) -> int:
        rank, world_size = rank_and_world_size()
        if not self.shuffle:
            return len(range(rank, self.length, world_size))
        # Equal shares in training: a rank with an extra step would wait for the others forever.
        share = self.length // world_size
        return share - share % self.batch_size if share > self.batch_size else share

    def __iter__(self) -> Iterator[Key]:
        order: Sequence[int] = range(self.length)
        if self.shuffle:
            order = np.random.default_rng((self.seed, self.epoch)).permutation(self.length).tolist()
        rank, world_size = rank_and_world_size()
        epoch, done = self.done
        # Only the resumed epoch starts in the middle; the ones after it are whole.
        start = done if epoch == self.epoch else 0
        yield from ((self.epoch, index) for index in order[rank::world_size][start : len(self)])


def rank_and_world_size() -> tuple[int, int]:
    """Return the rank of this process and the number of processes; (0, 1) without torch.distributed."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1


def all_reduce_sum(counts: Sum) -> Sum:
    """Sum counts over all processes. Without torch.distributed, return them unchanged.

    Args:
        counts: Any picklable value with `+`. Every process must call this function.
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return counts
    parts: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(parts, counts)
    # `sum` would start with the integer 0, which counts cannot be added to.
    total: Sum = sum(parts[1:], start=parts[0])
    return total


NO_IMAGES = torch.zeros((0, 3, 1, 1), dtype=torch.uint8)
"""Images of a batch in which no sample could be read: uint8 of shape (0, 3, 1, 1)."""


class EncodedSample(Protocol):
    """A sample after augmentation and encoding, ready to be collated for training."""

    skipped: list[SkippedItem]


E = TypeVar("E", bound=EncodedSample)


class TrainingSet(TracksCurrentSample[E], ABC, Generic[E]):
    """Samples for training. A sample that cannot be used is replaced by the next one."""

    MAX_TRIES = 20

    make_empty: Callable[[], E]
    """Create the stand-in for a sample if none could be used."""

    def __init__(self, split: Split[Any], seed: int) -> None:
        """Store the split and the random seed of the run."""
        self.split, self.seed = split, seed
        self.endless = getattr(split, "endless", False)

    @abstractmethod
    def encode(self, sample: Any, rng: np.random.Generator) -> E:
        """Augment a sample and encode it for training.

        Args:
            sample: An item of the split.
            rng: Generator keyed by (seed, epoch, index).

        Raises:
            Unusable: If nothing can be learned from the sample.
        """

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, key: Key | int) -> E:
        # Lightning's overfit_batches replaces the sampler by one of plain indices: every epoch is epoch 0.
        epoch, index = key if isinstance(key, tuple) else (0, key)
        self.track(index)
        # For plugins that draw from the global generators. Built-in code gets a generator of its own.
        seed_generators(self.seed, epoch, index)
        skipped: list[SkippedItem] = []
        for attempt in range(min(self.MAX_TRIES, len(self))):
            # An endless split has new samples past its length, so each epoch reads further on.
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
            # Do not raise: torch would bury the message in a traceback of the worker.
            encoded = self.make_empty()
        encoded.skipped = skipped
        return encoded


class ScoringSet(TracksCurrentSample[Any], ABC):
    """Samples for evaluation: image, ground truth and skipped items, or a `SkippedItem` if unusable."""

    def __init__(self, split: Split[Any], model: Any) -> None:
        """Store the split and the model, which determines the size of the images."""
        self.split, self.model = split, model

    @abstractmethod
    def prepare(self, sample: Any) -> tuple[Image, Any]:
        """Return the image as the model sees it, and its ground truth.

        Raises:
            Unusable: If the sample cannot be scored.
        """

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, key: Key | int) -> tuple[Image, Any, list[SkippedItem]] | SkippedItem:
        index = key[1] if isinstance(key, tuple) else key
        self.track(index)
        try:
            sample = self.split[index]
        except DataError as error:
            return unreadable(self.split, index, error)
        try:
            image, ground_truth = self.prepare(sample)
        except Unusable as error:
            return SkippedItem(error.what, name_of(self.split, index), None, str(error))
        return image, ground_truth, sample.skipped


class Loader(DataLoader[Any]):
    """A DataLoader that can start within an epoch and ends its workers when it is done."""

    _running: Any = None
    """Torch's iterator over the batches of the current epoch."""

    def start_at(self, epoch: int, batches: int) -> None:
        """Skip the first batches of an epoch, to resume a run.

        Args:
            epoch: Epoch to resume, from 0.
            batches: Number of batches that this process already consumed.
        """
        if isinstance(self.sampler, KeyedSampler):
            self.sampler.done = (epoch, batches * (self.batch_size or 1))

    # A generator: workers start at the first `next`, after Lightning has called `set_epoch`.
    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """Yield the batches of an epoch."""
        with block_signals():
            batches = self._running = super().__iter__()
        WORKER_MONITOR.register()
        try:
            yield from WORKER_MONITOR.iterate(batches)
            if isinstance(self.dataset, TracksCurrentSample):
                self.dataset.clear()
        except GeneratorExit:  # the consumer stopped early: let the workers finish
            raise
        except OcrTrainerError as error:
            kill_workers(batches)
            raise type(error)(without_worker_traceback(error)) from error
        except BaseException:
            kill_workers(batches)
            raise
        finally:
            if not self.persistent_workers:
                shut_down_workers(batches)

    def close(self) -> None:
        """End the workers that persist between epochs, once they are idle."""
        shut_down_workers(self._running)
        self._running = None
        forget_iterator(self)

    def kill(self) -> None:
        """Kill all workers immediately."""
        kill_workers(self._running)
        self._running = None
        forget_iterator(self)


def make_loader(
    dataset: TracksCurrentSample[Any],
    sampler: KeyedSampler,
    batch_size: int,
    collate: Any,
    data: DataConfig,
    kind: type[Loader] = Loader,
) -> Loader:
    """Create a loader whose workers use one CPU core each.

    Args:
        dataset: Dataset that records which sample each worker is reading.
        sampler: Order of the samples.
        batch_size: Samples per batch.
        collate: Makes a batch from a list of samples.
        data: The `data` section of the configuration: number of workers and timeout in seconds.
        kind: Class of the loader.
    """
    num_workers = data.num_workers if data.num_workers is not None else min(8, (os.cpu_count() or 1) // 2)
    dataset.allocate(num_workers)
    return kind(
        dataset,
        batch_size=batch_size,
        sampler=sampler,
        num_workers=num_workers,
        collate_fn=collate,
        pin_memory=torch.cuda.is_available(),
        timeout=data.timeout if num_workers else 0,
        worker_init_fn=init_worker,
        # SIGCHLD reports direct children only; with "forkserver" the server would be the parent.
        multiprocessing_context="fork" if num_workers and sys.platform == "linux" else None,
        persistent_workers=num_workers > 0 and sampler.shuffle,
    )
