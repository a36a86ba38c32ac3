"""What a run leaves behind can be read and written by whom the umask says, and lies in its folder alone."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.util import get_temp_dir
from pathlib import Path

import pytest
from helpers.fakes import TINY

from ocr_trainer.cli.main import main

_watchers: list[list[Path]] = []


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if not _watchers or event not in ("open", "os.mkdir", "os.rename", "os.link", "os.symlink"):
        return
    if event == "open":
        path, _, flags = arguments
        if not isinstance(flags, int) or not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            return
    else:
        path = arguments[0 if event == "os.mkdir" else 1]
    if isinstance(path, str | bytes | os.PathLike):
        _watchers[-1].append(Path(os.fsdecode(path)).absolute())


@pytest.fixture(scope="module")
def watch() -> None:
    """Have the interpreter tell of files that are written; such a hook cannot be taken off, only told to rest."""
    sys.addaudithook(_watch)
    get_temp_dir()  # multiprocessing keeps the first that it makes, and removes it when this process ends


@contextmanager
def watched() -> Iterator[list[Path]]:
    written: list[Path] = []
    _watchers.append(written)
    try:
        yield written
    finally:
        _watchers.pop()


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    found = {str(p.relative_to(folder)): p for p in folder.rglob("*") if not p.is_symlink()}
    return {name: stat.S_IMODE(path.lstat().st_mode) for name, path in found.items()}


@pytest.mark.usefixtures("watch")
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o027])
def test_case_72_a_run_keeps_to_the_umask_and_to_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mask: int
):
    place, temporary = tmp_path / "place", tmp_path / "temporary"
    place.mkdir()
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "argv", ["ocr-train", "model=dbnet", *TINY])
    with umask(mask), watched() as written:
        assert main() == 0
    left = modes(place)
    assert {"config.yaml", "report.json", "last.ckpt", "best.ckpt"} <= {Path(name).name for name in left}
    assert {name: oct(mode) for name, mode in left.items() if mode & mask} == {}
    # Nor is anything more private than was asked for: a group that shares a folder can read all of it.
    wanted = {True: 0o777 & ~mask, False: 0o666 & ~mask}
    assert {name: oct(mode) for name, mode in left.items() if mode != wanted[(place / name).is_dir()]} == {}
    assert [path for path in written if path.is_relative_to(place)]
    outside = {path for path in written if not path.is_relative_to(place)} - {Path(os.devnull)}
    # torch makes an empty folder of this name when it is imported; only torch.compile, which we do not use, fills it.
    torch_own = {path for path in outside if path.name.startswith("torchinductor_")}
    assert outside - torch_own == set()
    assert [
        file for path in temporary.iterdir() for file in (path, *path.rglob("*")) if file not in torch_own
    ] == []
