"""Every command in the documentation does what the page says: runs are checked instead of trained."""

from __future__ import annotations

import gc
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ocr_trainer.cli import main
from ocr_trainer.config.schema import plain
from ocr_trainer.plugin import discovery
from ocr_trainer.runs import run_dir

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
# In these pages the plugins are the reader's: they are not installed here.
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(
        page
        for page in DOCS.rglob("*.md")
        if not page.name.startswith(("writing-", "first-plugin")) and "_build" not in page.parts
    ),
    *sorted(ROOT.glob("plugins/*/README.md")),
]

BLOCK = re.compile(r"^```([\w{}-]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROMPTED = re.compile(r"^\$ (ocr-train .*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)

missing = {"dbnet", "crnn", "icdar2015", "sroie", "ufo", "words", "lmdb", "tensorboard", "wandb"} - {
    p.name for p in discovery.installed()
}
pytestmark = pytest.mark.skipif(bool(missing), reason=f"not installed here: {', '.join(sorted(missing))}")


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def name_of(value: object) -> str | None:
    return str(value.relative_to(ROOT)) if isinstance(value, Path) else None


def commands() -> list[tuple[Path, str]]:
    """Every `ocr-train …` that starts a line of a page, in a fenced or an indented block."""
    found = []
    for page in PAGES:
        text = read(page).replace("\\\n", " ")
        lines = re.findall(r"^(?: {4})?(?:\$ )?(ocr-train .*)$", text, re.MULTILINE)
        found += [(page, line) for line in dict.fromkeys(lines)]
    return found


COMMANDS = commands()
OPENING = (
    *("engine.train.train", "engine.overfit.overfit", "evaluation.check_data.check_data"),
    *("evaluation.test.test", "evaluation.end_to_end.score_end_to_end", "evaluation.benchmarks.benchmark"),
    *(
        "exporting.export.export",
        "evaluation.pipeline.open_pipeline",
        "exporting.export.export",
        "scoring.score_pages.score_pages",
        "scoring.score_text.score_text",
    ),
)
"""What opens the files of a command, once its words are understood."""
WORDS = {
    "list-plugins",
    "describe",
    "check",
    "check-data",
    "overfit",
    "resume",
    "test",
    "predict",
    "score",
    "export",
    "serve",
}


class Composed(Exception):
    """Ends a command where it would open what is not there."""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working folder, and a process that is afterwards what it was."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    monkeypatch.setenv("DATA", "/data/receipts")
    monkeypatch.setenv(run_dir.INHERITED, "")  # what a run that is taken up leaves there goes, too
    yield tmp_path
    gc.enable()


def attempt(line: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Do what a documented command does, but `check` a run instead of training it."""
    words = shlex.split(line, comments=True)[1:]
    for file in (
        word.partition("=")[2]
        for word in words
        if word.startswith(("init_from=", "charset.file=", "model.weights=FILE"))
    ):
        touch(Path(file))
    for checkpoint in (word for word in words if word.endswith(".ckpt") and "=" not in word):
        touch(Path(checkpoint))
    if words[0] == "export" and not words[1].endswith(".ckpt"):
        touch(Path(words[1], "checkpoints", "best.ckpt"))
    if words[0] == "resume":
        write_run(Path(words[1]))
    if words[0] not in {*WORDS, "--help", "--hydra-help"}:
        words = ["check", *words]

    def saved(checkpoint: Path) -> dict[str, Any]:
        from ocr_trainer.config.compose import compose

        reads = re.search("recogni|words|digits", str(checkpoint))
        run = ["receipt_words", "dataset.of.root=/data"] if reads else ["receipts", "dataset.root=/data"]
        return {"ocr_trainer": {"config": plain(compose([f"experiment={run[0]}", run[1]]))}}

    def stopped(*_: Any, **__: Any) -> None:
        raise Composed

    # These modules come first: one that is imported while `read` is replaced would keep the replacement.
    for name in OPENING:
        monkeypatch.setattr(f"ocr_trainer.{name}", stopped)
    if words[0] == "serve":
        monkeypatch.setattr("ocr_trainer_serve.server.run", lambda settings: None)
    monkeypatch.setattr("ocr_trainer.checkpoint.read.read", saved)
    monkeypatch.setattr(
        "ocr_trainer.api.evaluate._find_benchmarks", lambda folder, task: {Path(folder, "SVT"): "lmdb"}
    )
    monkeypatch.setattr(sys, "argv", ["ocr-train", *words])
    try:
        return main.main()
    except Composed:
        return 0


def touch(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()


def write_run(at: Path) -> None:
    from ocr_trainer.config.compose import compose

    at.mkdir(parents=True)
    config = str(compose(["experiment=receipts", "dataset.root=/data"]))
    (at / "config.yaml").write_text(config, encoding="utf-8")


def write_documented_files(page: Path, place: Path) -> None:
    """Write the YAML blocks of a page that say in a comment which file they are."""
    for language, text in BLOCK.findall(read(page)):
        if language == "yaml" and (named := re.search(r"^# ([\w./-]+\.yaml)$", text, re.MULTILINE)):
            (place / named[1]).parent.mkdir(parents=True, exist_ok=True)
            (place / named[1]).write_text(text, encoding="utf-8")


def test_there_are_commands_of_every_kind():
    first = [line.split()[1] for _, line in COMMANDS]
    assert set(first) > WORDS | {"-m", "--config-dir", "model=dbnet"}
    assert {page.name for page, _ in COMMANDS} >= {"README.md", "getting-started.md", "configuration.md"}


@pytest.mark.parametrize(
    ("page", "line"), [c for c in COMMANDS if f"$ {c[1]}" not in read(c[0])], ids=name_of
)
def test_documented_commands_compose(page: Path, line: str, place: Path, monkeypatch: pytest.MonkeyPatch):
    write_documented_files(page, place)
    assert attempt(line, monkeypatch) == 0


def prompted() -> list[tuple[str, str]]:
    """Commands after a prompt, each with the output that the page shows."""
    blocks = [block for page in PAGES for block in BLOCK.findall(read(page))]
    return [found for kind, text in blocks if kind == "console" for found in PROMPTED.findall(text)]


@pytest.mark.parametrize(("line", "shown"), prompted())
def test_documented_output_is_what_comes(
    line: str, shown: str, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert shown.strip(), "a prompt without output belongs into a bash block"
    status = attempt(line, monkeypatch)
    said = capsys.readouterr()
    assert re.fullmatch(re.escape(shown).replace(r"\.\.\.", ".*"), said.out + said.err)
    assert status == (2 if shown.startswith("ocr-train: ") else 0)


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
def test_completion_completes_after_the_documented_line(place: Path):
    install = re.search(r'^eval "\$\(ocr-train .*$', read(DOCS / "configuration.md"), re.MULTILINE)[0]
    (place / "ocr-train").write_text(f"#!{sys.executable}\nfrom ocr_trainer.cli.main import main\nmain()\n")
    (place / "ocr-train").chmod(0o755)
    lines = ["ocr-train model=d", "ocr-train dataset=s", "ocr-train model=dbnet optimizer.l"]
    script = [install, "complete -p ocr-train"]
    for line in lines:
        script.append(
            f'COMP_WORDS=({line}); COMP_CWORD={line.count(" ")}; COMP_LINE="{line}"; COMP_POINT={len(line)}'
        )
        script.append('hydra_bash_completion; echo "${COMPREPLY[@]}"')
    done = subprocess.run(
        ["bash", "--norc", "-c", "\n".join(script)],
        cwd=place,
        env={**os.environ, "PATH": f"{place}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    registered, *answers = done.stdout.splitlines()
    assert registered.endswith("-F hydra_bash_completion ocr-train")
    assert answers == [
        "model=dbnet model=dbnetpp",
        "dataset=sroie dataset=synthetic",
        "optimizer.layer_decay= optimizer.lr=",
    ]
