"""Distributions whose files are on a page of the documentation, on Python's path as if they were installed."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ocr_trainer.plugin import discovery, metadata

DOCS = Path(__file__).parents[2] / "docs"
FILE = re.compile(r"^`(ocr-trainer-[\w-]+/[\w./-]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def unpack(page: str, folder: Path) -> Path:
    """Write the files of a page below a folder, with the metadata that pip would write; return the distribution."""
    files = dict(FILE.findall((DOCS / page).read_text(encoding="utf-8")))
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    (project,) = {folder / path.partition("/")[0] for path in files}
    declared = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = project / f"{declared['name'].replace('-', '_')}-{declared['version']}.dist-info"
    info.mkdir()
    header = {"Metadata-Version": "2.1", "Name": declared["name"], "Version": declared["version"]}
    header["Summary"] = declared["description"]
    (info / "METADATA").write_text("".join(f"{key}: {value}\n" for key, value in header.items()))
    groups = declared["entry-points"].items()
    lines = [line for group, names in groups for line in (f"[{group}]", *map(" = ".join, names.items()))]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return project


def changed(project: Path, folder: Path, module: str, before: str, after: str) -> Path:
    """Copy a distribution to a folder, with a change in one of its modules; return the folder."""
    for path in project.rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            copy = folder / path.relative_to(project)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    (file,) = folder.glob(f"ocr_trainer_*/{module}.py")
    text = file.read_text(encoding="utf-8")
    assert before in text
    file.write_text(text.replace(before, after), encoding="utf-8")
    return folder


@contextmanager
def importable(*folders: Path) -> Iterator[None]:
    """Put folders on the path of this process."""
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        for folder in folders:
            patch.syspath_prepend(folder)
        forget()
        try:
            yield
        finally:
            own = tuple(str(folder) for folder in folders)
            for name in set(sys.modules) - before:
                if str(getattr(sys.modules[name], "__file__", "")).startswith(own):
                    del sys.modules[name]
    forget()


def forget() -> None:
    """Have plugins be found anew."""
    metadata.installed.cache_clear()
    discovery.described.cache_clear()
