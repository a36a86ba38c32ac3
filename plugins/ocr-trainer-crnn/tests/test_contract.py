from collections.abc import Iterator

import pytest
import torch

from ocr_trainer.testing import RecognizerSuite


class TestCRNN(RecognizerSuite):
    name = "crnn"

    @pytest.fixture(autouse=True)
    def one_thread(self) -> Iterator[None]:
        """Train on one thread: on images this small, synchronizing threads costs more than it saves."""
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        self.overrides = ["model.size=tiny"]
        yield
        torch.set_num_threads(before)
