from collections.abc import Iterator

import pytest
import torch

from ocr_trainer.testing import ModelSuite


class DBNetSuite(ModelSuite):
    @pytest.fixture(autouse=True)
    def one_thread(self) -> Iterator[None]:
        """Small pictures are learned faster by one thread than by several that wait for each other."""
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        yield
        torch.set_num_threads(before)


class TestDBNet(DBNetSuite):
    name = "dbnet"


class TestDBNetPP(DBNetSuite):
    name = "dbnetpp"
