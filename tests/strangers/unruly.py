"""Pages that do harm to the worker that reads them: `UNRULY="hang train 3"` is how, and which page of which split."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from ocr_trainer_synthetic.plugin import SyntheticConfig
from ocr_trainer_synthetic.synthetic import Pages, Synthetic
from torch.utils.data import get_worker_info

from ocr_trainer.data.types import Sample
from ocr_trainer.plugin import Config, Context


def _hoard() -> None:
    """Ask for more memory than there may be."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + (256 << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    np.ones(1 << 30)


def _fail() -> None:
    raise RuntimeError("a mistake of the plugin")


HARM: dict[str, Callable[[], object]] = {
    "hang": lambda: time.sleep(3600),
    "segfault": lambda: ctypes.string_at(0),
    "exit": lambda: os._exit(3),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "hoard": _hoard,
    "fail": _fail,
}


class Split:
    """Pages, one of which does harm."""

    def __init__(self, name: str, pages: Pages) -> None:
        self.name, self.pages = name, pages

    def __len__(self) -> int:
        return len(self.pages)

    def __getitem__(self, index: int) -> Sample:
        how, split, page = os.environ.get("UNRULY", "none - 0").split()
        if split == self.name and int(page) == index and get_worker_info() is not None:
            HARM[how]()
        return self.pages[index]

    def name_of(self, index: int) -> str:
        """Return what the user knows a page by."""
        return f"{self.name}/page{index}"


class Dataset:
    """Small pages: 8 to learn, 4 and 2 to score."""

    def __init__(self, _config: Config, context: Context) -> None:
        size = {"height": 64, "width": 64, "max_words": 5}
        pages = Synthetic(SyntheticConfig(train_pages=8, val_pages=4, test_pages=2, **size), context)
        assert pages.val is not None
        assert pages.test is not None
        self.train, self.val, self.test = (
            Split(name, split)
            for name, split in (("train", pages.train), ("val", pages.val), ("test", pages.test))
        )
