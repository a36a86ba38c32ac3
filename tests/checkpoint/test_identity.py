"""A run knows its own checkpoints: those of another run in its folder are refused, wherever the folder lies."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from helpers.cutting import DETECTOR, Cut, cut_off

import ocr_trainer as ocr
from ocr_trainer.checkpoint import files
from ocr_trainer.checkpoint.read import BEST, LAST, read
from ocr_trainer.config.compose import compose
from ocr_trainer.errors import CheckpointError
from ocr_trainer.runs.identity import FILE, make_identity, read_identity

SEED = [*DETECTOR, "seed=1"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folders of two runs that were stopped, equal but for the seed."""
    places = [tmp_path_factory.mktemp(name) for name in ("first", "second")]
    first, second = (
        cut_off(place, words, Cut("on_train_batch_end", 3))
        for place, words in zip(places, (DETECTOR, SEED), strict=True)
    )
    return first, second


def copied(folder: Path, place: Path) -> Path:
    return Path(shutil.copytree(folder, place / "copy"))


def without_identity(path: Path) -> None:
    """Make a checkpoint one of an earlier version, which has no identity."""
    content = torch.load(path, weights_only=True)
    del content["ocr_trainer"]["run"]
    files.write(content, path)


@pytest.mark.parametrize("name", [LAST, BEST])
def test_a_checkpoint_of_another_seed_is_refused(tmp_path: Path, runs: tuple[Path, Path], name: str):
    folder = copied(runs[0], tmp_path)
    (folder / "checkpoints" / name).unlink()
    shutil.copy(runs[1] / "checkpoints" / LAST, folder / "checkpoints" / name)
    before = (folder / "checkpoints" / name).read_bytes()
    with pytest.raises(CheckpointError) as caught:
        ocr.resume(folder)
    path = folder / "checkpoints" / name
    assert str(caught.value) == (
        f"{path} is of another run than the folder {folder}:\n"
        "  - seed: 1 before, 0 now\n"
        f"  to start a new run with its weights: init_from={path}\n"
        "  to resume this run, move that file elsewhere"
    )
    assert path.read_bytes() == before
    path.unlink()
    assert ocr.resume(folder).report["steps"] == 4


def test_a_checkpoint_without_identity_is_compared_by_its_options(tmp_path: Path, runs: tuple[Path, Path]):
    folder = copied(runs[0], tmp_path)
    shutil.copy(runs[1] / "checkpoints" / LAST, folder / "checkpoints" / LAST)
    without_identity(folder / "checkpoints" / LAST)
    with pytest.raises(CheckpointError, match=r"is of another run than .*\n  - seed: 1 before, 0 now\n"):
        ocr.resume(folder)


def test_a_run_of_an_earlier_version_resumes_and_gets_an_identity(tmp_path: Path, runs: tuple[Path, Path]):
    folder = copied(runs[0], tmp_path)
    (folder / FILE).unlink()
    for path in (folder / "checkpoints").glob("*.ckpt"):
        without_identity(path)
    assert ocr.resume(folder).report["steps"] == 4
    identity = read_identity(folder)
    assert identity is not None
    assert read(folder / "checkpoints" / LAST)["ocr_trainer"]["run"] == identity


@pytest.mark.parametrize("keep", [True, False])
def test_a_folder_that_was_copied_or_moved_resumes(tmp_path: Path, runs: tuple[Path, Path], keep: bool):
    folder = copied(runs[0], tmp_path)
    moved = folder.rename(tmp_path / "moved")
    if not keep:  # copied by hand, without the file
        (moved / FILE).unlink()
    assert ocr.resume(moved).report["steps"] == 4
    assert read_identity(moved) == read_identity(runs[0])
    assert {read(path)["ocr_trainer"]["run"] for path in (moved / "checkpoints").glob("*.ckpt")} == {
        read_identity(runs[0])
    }


def test_what_makes_another_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    words = ["model=dbnet", "dataset=icdar2015", "dataset.root=data"]
    first = make_identity(compose(words))
    same = [
        "exp_name=other",
        "output_dir=elsewhere",
        "logger=[csv]",
        "trainer.max_epochs=3",
        "data.num_workers=0",
    ]
    assert {make_identity(compose([*words, word])) for word in same} == {first}
    assert make_identity(compose([*words[:2], f"dataset.root={tmp_path}/data"])) == first
    others = ["seed=1", "dataset.root=other", "optimizer=sgd", "data.batch_size=3", "model.size=320"]
    assert len({first, *(make_identity(compose([*words, word])) for word in others)}) == len(others) + 1
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert make_identity(compose(words)) != first, "data in another folder"
