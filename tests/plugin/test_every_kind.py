"""A stranger brings every kind of plugin, with what the pages of the documentation teach."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from helpers.documented import DOCS, FILE, importable, unpack
from helpers.environments import OFFLINE, Environment
from helpers.fakes import TINY

from ocr_trainer.cli.main import main
from ocr_trainer.plugin import Kind, metadata

PAGES = ("first-plugin.md", *sorted(page.name for page in DOCS.glob("writing-*.md")))
PAGES = tuple(page for page in PAGES if FILE.search((DOCS / page).read_text(encoding="utf-8")))
WAYS = {
    "raises": (r"\Z", "\nraise RuntimeError('a mistake')\n"),
    "other_api": (r"\bapi=1\b", "api=2"),
    "no_description": (r"^(\w+)( = \w+Plugin\()", r"\1_gone\2"),
}
"""How to break a module of descriptions: what to replace by what."""


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The distribution on each page, by the name of the page."""
    return {page: unpack(page, tmp_path_factory.mktemp("stranger")) for page in PAGES}


def plugins(*folders: Path) -> list[tuple[Kind, str]]:
    """Return kind and name of the plugins that folders hold."""
    with importable(*folders):
        names = {folder.name for folder in folders}
        return [(p.kind, p.name) for p in metadata.installed() if p.distribution in names]


def command(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Run a command in this process; return status, standard output and standard error."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["ocr-train", *words])
        status = main()
    shown = capsys.readouterr()
    return status, shown.out, shown.err


def test_the_pages_have_every_kind(projects: dict[str, Path]):
    assert {kind for kind, _ in plugins(*projects.values())} == set(Kind)


def test_each_is_listed_and_described(projects: dict[str, Path], capsys: pytest.CaptureFixture[str]):
    folders = tuple(projects.values())
    found = plugins(*folders)
    with importable(*folders):
        status, out, _ = command(["list-plugins", "--json"], capsys)
        rows = {(row["kind"], row["name"]): row for row in json.loads(out)}
        assert status == 0
        for kind, name in found:
            row = rows[kind.value, name]
            assert (row["broken"], row["denied"], row["conflict"]) == (None, None, False)
            status, out, err = command(["describe", kind.value, name], capsys)
            assert (status, err) == (0, "")
            assert out.startswith(f"{kind.value} {name}: ")


def broken(project: Path, folder: Path, way: str) -> Path:
    """Copy a distribution to a folder and break its module of descriptions; return the copy."""
    before, after = WAYS[way]
    shutil.copytree(project, folder)
    (file,) = [*folder.glob("*/plugin.py"), *folder.glob("halving.py")]
    text = file.read_text(encoding="utf-8")
    file.write_text(re.sub(before, after, text, flags=re.MULTILINE), encoding="utf-8")
    return folder


@pytest.mark.parametrize("way", WAYS)
def test_a_broken_one_costs_only_the_runs_that_select_it(
    way: str, projects: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    tried = set()
    for page, project in projects.items():
        names = [(kind, name) for kind, name in plugins(project) if kind is not Kind.configs]
        if not names:
            continue  # configurations have no description
        with importable(broken(project, tmp_path / page / project.name, way)):
            for kind, name in names:
                words = [name] if kind is Kind.command else ["describe", kind.value, name]
                status, out, err = command(words, capsys)
                assert (status, out) == (2, ""), (kind, name)
                assert err.startswith(f"ocr-train: the {kind.value} plugin '{name}' cannot be used: ")
                assert "Traceback" not in err
                tried.add(kind)
            assert command(["list-plugins", "--json"], capsys)[0] == 0
            assert command(["check", "model=dbnet", "logger=[csv]"], capsys)[0] == 0
    assert tried == set(Kind) - {Kind.configs}


def test_they_train_together_and_go_without_a_trace(
    projects: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
):
    environment = Environment.make(tmp_path_factory.mktemp("together"))
    environment.pip("install", *OFFLINE, *(str(project) for project in projects.values()))
    names = [project.name for project in projects.values()]
    before = {row["distribution"] for row in environment.listed()}
    assert set(names) <= before
    done = environment.ocr_train(
        *("model=dbnet", *TINY, "model.backbone.name=stripes", "optimizer=signum", "schedule=rsqrt"),
        *("augment=[turns,light]", "callback=[seen]", "metric=[counted]", "logger=[jsonl]", "exp_name=all"),
        *("trainer.limit_train_batches=2", "trainer.max_epochs=1"),
    )
    assert done.returncode == 0, done.stderr
    (folder,) = (environment.folder / "runs" / "all").iterdir()
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert report["steps"] == 2
    used = {(row["kind"], row["name"]) for row in report["plugins"] if row["distribution"] in names}
    assert {kind for kind, _ in used} == {
        *("backbone", "optimizer", "schedule", "augmentation", "callback", "metric", "logger")
    }
    done = environment.ocr_train("latest", "runs")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [f"{name}  {score:.3f}" for name, score in report["scores"].items()]
    environment.pip("uninstall", "--yes", *names)
    assert {row["distribution"] for row in environment.listed()} == before - set(names)
