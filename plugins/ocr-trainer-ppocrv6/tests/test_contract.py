from collections.abc import Iterator

import pytest
import torch

from ocr_trainer.testing import ModelSuite, RecognizerSuite


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Train on one thread: on images this small, synchronizing threads costs more than it saves."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class TestDetector(ModelSuite):
    name = "ppocrv6_det"
    lr = 4e-3
    steps = 96


class TestRecognizer(RecognizerSuite):
    name = "ppocrv6_rec"
    overrides = ("model.height=32", "model.canvas=64")
