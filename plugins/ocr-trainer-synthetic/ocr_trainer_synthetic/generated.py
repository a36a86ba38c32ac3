"""What the splits of made-up datasets have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Generic, TypeVar

import numpy as np

Made = TypeVar("Made")
SPLITS = ("train", "val", "test")


class GeneratedSplit(ABC, Generic[Made]):
    """A split: samples by index, each made when it is asked for and always the same.

    Args:
        seed: The run's.
        split: train, which has no end, val or test.
        length: Samples of an epoch.
    """

    def __init__(self, seed: int, split: str, length: int) -> None:
        self.seed, self.split, self.length = seed, split, length
        self.endless = split == "train"
        """Whether there are samples beyond the length, any number of them."""

    @abstractmethod
    def make(self, rng: np.random.Generator, source: str) -> Made:
        """Make a sample by chance; `source` is what it is called."""

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Made]:
        return (self[index] for index in range(self.length))

    def __getitem__(self, index: int) -> Made:
        source = f"synthetic/{self.split}/{index}"
        if index < 0 or (index >= self.length and not self.endless):
            raise IndexError(f"there is no {source}")
        return self.make(np.random.default_rng([self.seed, SPLITS.index(self.split), index]), source)
