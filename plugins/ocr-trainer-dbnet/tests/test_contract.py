from collections.abc import Iterator

import pytest
import torch

from ocr_trainer.testing import BackboneSuite, ModelSuite


class DBNetSuite(ModelSuite):
    @pytest.fixture(autouse=True)
    def one_thread(self) -> Iterator[None]:
        """Train on one thread: on images this small, synchronizing threads costs more than it saves."""
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        yield
        torch.set_num_threads(before)


class TestDBNet(DBNetSuite):
    name = "dbnet"


class TestDBNetPP(DBNetSuite):
    name = "dbnetpp"


class TestResnet18(BackboneSuite):
    name = "resnet18"


class TestResnet34(BackboneSuite):
    name = "resnet34"


class TestResnet50(BackboneSuite):
    name = "resnet50"
