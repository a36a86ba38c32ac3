"""Seed the global random generators from a position in the run.

A resumed run draws what the uninterrupted run would have drawn, so RNG state is not saved.
"""

from __future__ import annotations

import random

import numpy as np
import torch


def seed_generators(*key: int) -> None:
    """Seed the global generators of Python, NumPy and torch (CPU and GPU).

    Args:
        key: Non-negative integers that name the draws, such as (seed, epoch, index).
    """
    # One word per generator, so that their streams are unrelated.
    words = np.random.SeedSequence(key).generate_state(4, np.uint64)
    random.seed(int(words[0]))
    np.random.seed(words[1:2].view(np.uint32))
    # torch.manual_seed formats a stack trace on machines without a GPU, which costs more than all the rest.
    torch.default_generator.manual_seed(int(words[2] >> np.uint64(1)))  # 63 bits: torch takes a signed seed
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed(int(words[3] >> np.uint64(1)))
