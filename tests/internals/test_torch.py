"""What `ocr_trainer.internals.torch` relies on is where it was, and does what it did."""

from __future__ import annotations

import signal

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, _utils, dataloader

from ocr_trainer.errors import PluginBroken
from ocr_trainer.internals import torch as internals

ITERATOR = dataloader._MultiProcessingDataLoaderIter


def loader(**options: object) -> DataLoader[torch.Tensor]:
    return DataLoader(torch.arange(8.0), num_workers=2, multiprocessing_context="fork", **options)


@pytest.mark.parametrize(
    ("owner", "name", "user"),
    [
        (ITERATOR, "_shutdown_workers", "shut_down_workers"),
        (_utils.signal_handling, "_remove_worker_pids", "kill_workers"),
        (torch, "_foreach_copy_", "copy_all"),
        (torch, "_foreach_lerp_", "lerp_all"),
    ],
)
def test_torch_has_the_function(owner: object, name: str, user: str):
    assert hasattr(owner, name), f"torch moved {name}: ocr_trainer.internals.torch.{user} needs it"


def test_an_iterator_has_what_killing_its_workers_needs():
    batches = iter(loader())
    for name in ("_shutdown", "_workers"):
        assert hasattr(batches, name), (
            f"torch moved {name}: ocr_trainer.internals.torch.kill_workers needs it"
        )
    internals.shut_down_workers(batches)


def test_torchs_handler_is_known(monkeypatch: pytest.MonkeyPatch):
    before = signal.getsignal(signal.SIGCHLD)
    # torch installs its handler once per process; another test may have replaced it since.
    monkeypatch.setattr(_utils.signal_handling, "_SIGCHLD_handler_set", False)
    batches = iter(loader())
    try:
        handler = signal.getsignal(signal.SIGCHLD)
        assert internals.is_worker_handler(handler), (
            "torch's SIGCHLD handler is defined elsewhere: ocr_trainer.internals.torch.is_worker_handler "
            "must know where"
        )
        assert not internals.is_worker_handler(signal.SIG_DFL)
    finally:
        internals.shut_down_workers(batches)
        signal.signal(signal.SIGCHLD, before)


@pytest.mark.parametrize("end", [internals.shut_down_workers, internals.kill_workers])
def test_workers_end(end):
    batches = iter(loader())
    next(batches)
    workers = batches._workers
    end(batches)
    assert not any(worker.is_alive() for worker in workers)
    end(batches)  # a second time is harmless
    end(iter([]))  # and so is an iterator without workers


def test_a_loader_starts_new_workers_once_its_iterator_is_forgotten():
    persistent = loader(persistent_workers=True)
    first = iter(persistent)
    internals.shut_down_workers(first)
    internals.forget_iterator(persistent)
    assert [float(batch) for batch in persistent] == list(range(8))
    internals.shut_down_workers(persistent._iterator)


def test_buffers_are_found_by_their_tables():
    norm = nn.Sequential(nn.BatchNorm1d(2))
    places = internals.float_buffers(norm)
    assert [name for _, name in places] == ["running_mean", "running_var"], (
        "nn.Module._buffers no longer holds the buffers: ocr_trainer.internals.torch.float_buffers needs it"
    )
    assert [name for _, name in internals.float_buffers(norm, floating=False)] == ["num_batches_tracked"]
    norm[0].running_mean = torch.full((2,), 3.0)  # replaced, not changed
    table, name = places[0]
    assert table[name].tolist() == [3.0, 3.0]


def test_lists_are_updated_in_place():
    targets = [torch.zeros(2), torch.zeros(3)]
    internals.lerp_all(targets, [torch.ones(2), torch.ones(3)], 0.25)
    assert [target.tolist() for target in targets] == [[0.25] * 2, [0.25] * 3]
    internals.copy_all(targets, [torch.ones(2), torch.ones(3)])
    assert [target.tolist() for target in targets] == [[1.0] * 2, [1.0] * 3]


class Refusing(Dataset[int]):
    """Has a sample that raises an error of ours."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> int:
        raise PluginBroken("it is broken\n  ocr_trainer.errors.PluginBroken: in two lines")


@pytest.mark.parametrize("workers", [0, 1])
def test_a_message_has_no_traceback_of_the_worker(workers: int):
    batches = DataLoader(Refusing(), num_workers=workers, multiprocessing_context="fork" if workers else None)
    with pytest.raises(PluginBroken) as caught:
        list(batches)
    assert ("Traceback" in str(caught.value)) == bool(workers)
    said = internals.without_worker_traceback(caught.value)
    assert said == "it is broken\n  ocr_trainer.errors.PluginBroken: in two lines"
