"""A split whose samples are generated on request."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Generic, TypeVar

import numpy as np

S = TypeVar("S")
SPLITS = ("train", "val", "test")


class GeneratedSplit(ABC, Generic[S]):
    """A split whose samples are pure functions of the seed, the split and the index.

    Args:
        seed: Seed of the run.
        split: `train`, which is endless, `val` or `test`.
        length: Samples per epoch.
    """

    def __init__(self, seed: int, split: str, length: int) -> None:
        self.seed, self.split, self.length = seed, split, length
        self.endless = split == "train"
        """Whether indices beyond the length are valid and give new samples."""

    @abstractmethod
    def make(self, rng: np.random.Generator, source: str) -> S:
        """Generate a sample.

        Args:
            rng: Generator for all random choices.
            source: Name of the sample, such as `synthetic/train/17`.
        """

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[S]:
        # One epoch: without this, Python would iterate over an endless split until an IndexError.
        return (self[index] for index in range(self.length))

    def __getitem__(self, index: int) -> S:
        source = f"synthetic/{self.split}/{index}"
        if index < 0 or (index >= self.length and not self.endless):
            raise IndexError(f"there is no {source}")
        return self.make(np.random.default_rng([self.seed, SPLITS.index(self.split), index]), source)
