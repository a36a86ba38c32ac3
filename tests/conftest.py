"""What the tests share."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """Undo what a command does to its process: environment, garbage collector."""
    environment = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(environment)
    gc.unfreeze()
    gc.enable()
