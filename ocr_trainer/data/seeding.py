"""The global random generators, seeded so that what they give follows from a place in the run alone.

So a resumed run draws what the unbroken one would have drawn, and no generator's state has to be kept.
"""

from __future__ import annotations

import random

import numpy as np
import torch


def seed_generators(*key: int) -> None:
    """Seed the generators of Python, numpy and torch that a model or a dataset may draw from.

    Args:
        key: What the draws are for, such as (seed, epoch, index); non-negative.
    """
    words = np.random.SeedSequence(key).generate_state(4, np.uint64)
    random.seed(int(words[0]))
    np.random.seed(words[1:2].view(np.uint32))
    # torch.manual_seed formats a stack trace where there is no GPU, which would cost more than all else.
    torch.default_generator.manual_seed(int(words[2] >> np.uint64(1)))
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed(int(words[3] >> np.uint64(1)))
