"""Checkpoints that are whole files, and wrong inside: one message each, in `test` and in `resume`."""

from __future__ import annotations

import copy
import shutil
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.checkpoints import DETECTOR, write_checkpoint
from helpers.cutting import RECOGNIZER, Cut, cut_off, ocr_train
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ocr_trainer as ocr
from ocr_trainer.checkpoint import files
from ocr_trainer.checkpoint.content import check_resumable, check_usable
from ocr_trainer.checkpoint.read import LAST, find_newest, misfit, read
from ocr_trainer.errors import CheckpointError, OcrTrainerError

RUN = [word for word in RECOGNIZER if "max_epochs" not in word]
RUN += ["trainer.max_epochs=1", "dataset.text.train_texts=22", "optimizer=adamw"]
Edit = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was stopped after 5 steps of 6."""
    return cut_off(tmp_path_factory.mktemp("stopped"), RUN, Cut("on_train_batch_end", 5))


@pytest.fixture(scope="module")
def good(stopped: Path) -> dict[str, Any]:
    return torch.load(stopped / "checkpoints" / LAST, weights_only=True)  # type: ignore[no-any-return]


def put(*path: Any) -> Edit:
    """Return an edit that sets the value at a path; the last argument is the value."""
    *parents, key, value = path

    def edit(content: Any) -> None:
        for name in parents:
            content = content[name]
        content[key] = value

    return edit


def drop(*path: Any) -> Edit:
    """Return an edit that removes the value at a path."""
    *parents, key = path

    def edit(content: Any) -> None:
        for name in parents:
            content = content[name]
        del content[key]

    return edit


def edited(good: dict[str, Any], edit: Edit) -> dict[str, Any]:
    content = copy.deepcopy(good)
    edit(content)
    return content


def resumed(stopped: Path, content: dict[str, Any], place: Path) -> str:
    """Resume the run with this content in its checkpoint; return the message that refuses it, if one does."""
    folder = place / "run"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(stopped, folder)
    for path in (folder / "checkpoints").iterdir():
        path.unlink()
    files.write(content, folder / "checkpoints" / LAST)
    try:
        ocr.resume(folder)
    except OcrTrainerError as error:
        return str(error)
    return ""


NAN = torch.full((2,), float("nan"))
WRONG_FOR_ALL: dict[str, tuple[Edit, str]] = {
    "weights in a list": (put("state_dict", []), "its weights (state_dict) are not a table of named tensors"),
    "no weights": (put("state_dict", {}), "its weights (state_dict) are not a table of named tensors"),
    "a weight that is a number": (put("state_dict", "model.x", 1.0), "model.x is not a tensor but of type float"),
    "a name that is a number": (put("state_dict", 3, NAN), "3 is not a tensor"),
    "a weight that is NaN": (put("state_dict", "model.x", NAN), "weights are not finite (NaN or infinity): model.x"),
    "an infinite weight": (
        put("state_dict", "model.x", torch.tensor([1.0, torch.inf])), "weights are not finite (NaN or infinity)"
    ),
    "a sparse weight": (put("state_dict", "model.x", torch.zeros(3).to_sparse()), "model.x is not a dense tensor"),
    "a weight of a billion times one value": (
        put("state_dict", "model.x", torch.zeros(1).expand(10**9)), "model.x claims more values than the file has"
    ),
    "a configuration that is a list": (put("ocr_trainer", "config", [1]), "must hold options"),
    "a configuration without a model": (drop("ocr_trainer", "config", "model"), "its configuration names no model"),
    "a model without a name": (put("ocr_trainer", "config", "model", "name", 3), "its configuration names no model"),
    "a key of the configuration that is null": (
        put("ocr_trainer", "config", None, 1), "the key null is null, but a key is a text"
    ),
    "a format that is a list": (put("ocr_trainer", "format", [2]), "has format [2]"),
}  # fmt: skip
WRONG_FOR_RESUMING: dict[str, tuple[Edit, str]] = {
    "loops that are a string": (put("loops", "x"), "its part loops is of type str, not a table"),
    "no loops": (drop("loops"), "its part loops is missing"),
    "no position of an epoch": (drop("loops", "fit_loop", "epoch_progress"), "its part epoch_progress is missing"),
    "a count that is a text": (
        put("loops", "fit_loop", "epoch_loop.batch_progress", "total", "ready", "6"), "position in training is damaged"
    ),
    "another count of batches": (put("ocr_trainer", "place", "batches", 2), "contradict each other"),
    "another step": (put("global_step", 40), "contradict each other"),
    "a negative step": (put("global_step", -1), "its position in training is damaged"),
    "a place that is a list": (put("ocr_trainer", "place", [0]), "its position in training is damaged"),
    "no states of optimizers": (put("optimizer_states", []), "optimizer_states is not a list with the state of one"),
    "a state of an optimizer that is null": (put("optimizer_states", [None]), "optimizer_states is not a list"),
    "no state of any parameter": (put("optimizer_states", 0, "state", {}), "exp_avg, exp_avg_sq, step of all"),
    "a part of one state missing": (
        drop("optimizer_states", 0, "state", 0, "exp_avg"), "lacks parts for some parameters"
    ),
    "a state that is NaN": (put("optimizer_states", 0, "state", 0, "exp_avg", NAN), "is not finite: exp_avg of"),
    "a state of another shape": (
        put("optimizer_states", 0, "state", 0, "exp_avg", torch.zeros(5)), "exp_avg of a parameter of shape"
    ),
    "betas that are a number": (put("optimizer_states", 0, "param_groups", 0, "betas", 5), "the option betas"),
    "callbacks that are null": (put("callbacks", None), "its part callbacks is missing"),
    "a callback's state that is null": (put("callbacks", "NonfiniteGuard", None), "callback NonfiniteGuard is not"),
    "a callback's count that is a text": (
        put("callbacks", "NonfiniteGuard", "count", "0"), "count in the state of its callback NonfiniteGuard"
    ),
    "no schedule": (put("lr_schedulers", []), "lr_schedulers is not a list with the state of one"),
    "a schedule without a step": (drop("lr_schedulers", 0, "last_epoch"), "its schedule (lr_schedulers) is damaged"),
    "what only Lightning notices": (put("lr_schedulers", 0, "lr_lambdas", 5), "the state of training in it is damaged"),
    "best scores that are texts": (put("ocr_trainer", "best_scores", {"val/ned": "x"}), "its best scores are damaged"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_FOR_ALL)
def test_what_no_use_of_a_checkpoint_accepts(tmp_path: Path, good: dict[str, Any], name: str):
    edit, reason = WRONG_FOR_ALL[name]
    path = tmp_path / "wrong.ckpt"
    files.write(edited(good, edit), path)
    for use in (ocr.load, ocr.evaluate):
        with pytest.raises(CheckpointError) as caught:
            use(path)
        assert reason in str(caught.value)
        assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", WRONG_FOR_RESUMING)
def test_what_resume_does_not_accept(tmp_path: Path, stopped: Path, good: dict[str, Any], name: str):
    edit, reason = WRONG_FOR_RESUMING[name]
    content = edited(good, edit)
    check_usable(content, tmp_path)  # its weights are good
    assert reason in resumed(stopped, content, tmp_path)


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64])
def test_weights_of_another_kind_of_numbers_do_not_fit(dtype: torch.dtype):
    model = torch.nn.Linear(2, 1)
    state = {f"model.{name}": value for name, value in model.state_dict().items()}
    assert misfit(model, {"state_dict": state}) is None
    halved = {name: value.half() for name, value in state.items()}
    assert misfit(model, {"state_dict": halved}) is None
    state["model.weight"] = state["model.weight"].to(dtype)
    assert "weight holds " in (misfit(model, {"state_dict": state}) or "")


def test_a_mask_of_minus_infinity_is_a_weight(good: dict[str, Any]):
    mask = torch.full((4, 4), -torch.inf).triu(1)
    check_usable(edited(good, put("state_dict", "model.mask", mask)), Path("x"))
    with pytest.raises(CheckpointError, match="not finite"):
        check_usable(edited(good, put("state_dict", "model.mask", mask + 1)), Path("x"))


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of everything in a checkpoint; of the weights and states, of the first few only."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(items)[: 2 if path[-1:] in (("state_dict",), ("state",)) else None]:
        yield (*path, key)
        yield from places(item, (*path, key))


ODD: list[Any] = [
    None,
    True,
    -1,
    10**6,
    2.5,
    float("nan"),
    "x",
    b"x",
    [],
    {},
    [[]],
    {"a": 1},
    {None: 1},
    (1,),
]
ODD += [NAN, torch.zeros(0)]
draws = st.tuples(st.integers(0, 10**6), st.none() | st.sampled_from(range(len(ODD))))
"""Which place of a checkpoint to change, and what to put there; None removes what is there."""
few = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
many = settings(few, max_examples=25)


def mutated(good: dict[str, Any], draw: tuple[int, int | None]) -> dict[str, Any]:
    """Replace or remove something anywhere in a checkpoint."""
    number, value = draw
    found = list(places(good))
    path = found[number % len(found)]
    return edited(good, drop(*path) if value is None else put(*path, copy.deepcopy(ODD[value])))


@many
@given(draw=draws)
def test_any_change_of_the_structure_is_read_or_refused(
    tmp_path: Path, good: dict[str, Any], draw: tuple[int, int | None]
):
    files.write(mutated(good, draw), tmp_path / LAST)
    with suppress(CheckpointError):
        check_resumable(read(tmp_path / LAST), tmp_path / LAST)
        find_newest(tmp_path)


@few
@given(draw=draws)
def test_any_change_of_the_structure_resumes_or_is_refused(
    tmp_path: Path, stopped: Path, good: dict[str, Any], draw: tuple[int, int | None]
):
    resumed(stopped, mutated(good, draw), tmp_path)


def rewrite(path: Path, other: Path, method: int, extra: bytes = b"") -> None:
    """Write the records of a checkpoint into another zip archive."""
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(other, "w", method) as written:
        for name in archive.namelist():
            written.writestr(name, archive.read(name) + (extra if name.endswith("/data/0") else b""))


def test_a_record_inflated_to_a_gigabyte_is_refused_unread(tmp_path: Path):
    path = write_checkpoint(tmp_path / "good.ckpt", DETECTOR)
    bomb = tmp_path / "bomb.ckpt"
    rewrite(path, bomb, zipfile.ZIP_DEFLATED, bytes(100_000_000))
    assert bomb.stat().st_size < 60_000_000
    tracemalloc.start()
    with pytest.raises(CheckpointError, match="is compressed, as none of ours is"):
        read(bomb)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_records_that_claim_more_than_the_file_are_refused_unread(tmp_path: Path):
    path = write_checkpoint(tmp_path / "good.ckpt", DETECTOR)
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        entry = content.index(b"PK\1\2", archive.start_dir)
    for place in (entry + 20, entry + 24):  # both sizes in the zip directory
        content[place : place + 4] = (2**31).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="its records are larger than the file"):
        read(path)


def test_a_zip_with_two_records_of_one_name_is_refused(tmp_path: Path):
    path = write_checkpoint(tmp_path / "good.ckpt", DETECTOR)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(archive.namelist()[0], b"x")
    with pytest.raises(CheckpointError, match="two records of one name"):
        read(path)


class Code:
    """What a pickle could run."""

    def __reduce__(self) -> Any:
        return (print, ("run",))


def test_files_of_others_are_refused_in_our_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    torch.save({"state_dict": {}, "more": Code()}, tmp_path / "code.pt")
    torch.save({"model": torch.zeros(3)}, tmp_path / "weights.pt")
    torch.save(torch.zeros(3), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    (tmp_path / "text.ckpt").write_text("\x1b[31mno checkpoint")
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        archive.writestr("a.txt", "x")
    (tmp_path / "folder.ckpt").mkdir()
    reasons = {
        "code.pt": "it holds more than tensors and plain values",
        "weights.pt": "was not written by ocr-train: it does not name its model",
        "old.pt": "it is not a zip archive",
        "text.ckpt": "it is not a zip archive",
        "images.zip": "it is a zip archive of something else",
        "folder.ckpt": "is a folder, not a checkpoint",
    }
    for name, reason in reasons.items():
        with pytest.raises(CheckpointError) as caught:
            read(tmp_path / name)
        message = str(caught.value)
        assert reason in message
        assert not {"\x1b", "weights_only", "pickle"} & {
            "\x1b" if "\x1b" in message else "",
            *message.split(),
        }
        assert "weights_only" not in message
        if name != "folder.ckpt":
            assert message.endswith("such as checkpoints/best.ckpt in the folder of a run")
    assert capsys.readouterr().out == ""


def test_a_folder_in_the_place_of_a_checkpoint(
    tmp_path: Path, stopped: Path, capsys: pytest.CaptureFixture[str]
):
    folder = shutil.copytree(stopped, tmp_path / "run")
    for path in (folder / "checkpoints").iterdir():
        path.unlink()
    (folder / "checkpoints" / LAST).mkdir()
    with pytest.raises(CheckpointError, match=r"last\.ckpt is a folder, not a checkpoint"):
        ocr.resume(folder)
    assert ocr_train(tmp_path, [*RUN, f"init_from={folder}"]) == 2
    assert "that is a folder, not a checkpoint" in capsys.readouterr().err
