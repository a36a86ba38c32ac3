"""A stranger's plugin, from the page that teaches it: files, wheel, install, run, tests, uninstall.

The page is the source: its files are cut out of `docs/writing-a-plugin.md`. They are installed into a
virtual environment of their own that also sees what is installed here, so that pip really installs
and really uninstalls, and nothing here changes.
"""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from helpers.environments import OFFLINE, Environment
from ocr_trainer_synthetic.plugin import SyntheticConfig, SyntheticTextConfig
from ocr_trainer_synthetic.synthetic import Pages, Synthetic
from PIL import Image

from ocr_trainer.plugin import Context, Task

PAGE = Path(__file__).parents[2] / "docs" / "writing-a-plugin.md"
NAME, VERSION = "ocr-trainer-acme", "0.1.0"
FILE = re.compile(r"^`(ocr-trainer-acme/[\w./-]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MISSING = [module for module in ("pip", "setuptools") if find_spec(module) is None]

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"{' and '.join(MISSING)} not installed")


def listed(environment: Environment) -> list[dict[str, Any]]:
    """Return what list-plugins says of the distribution."""
    return [row for row in environment.listed() if row["distribution"] == NAME]


def unpack(folder: Path) -> Path:
    """Write the files of the page below a folder; return the distribution's own."""
    for path, text in FILE.findall(PAGE.read_text(encoding="utf-8")):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return folder / NAME


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with the wheel installed."""
    environment = Environment.make(tmp_path_factory.mktemp("acme"))
    project = unpack(environment.folder)
    environment.pip("wheel", *OFFLINE, "--wheel-dir", "dist", str(project))
    (wheel,) = (environment.folder / "dist").iterdir()
    assert wheel.name == f"ocr_trainer_acme-{VERSION}-py3-none-any.whl"
    environment.pip("install", *OFFLINE, str(wheel))
    return environment


@pytest.fixture(scope="module")
def slips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Words as files and rows, as the dataset of texts reads them; the last row of train has no text."""
    root = tmp_path_factory.mktemp("slips")
    texts = SyntheticTextConfig(train_texts=4, val_texts=2, test_texts=0, charsets=["digits"])
    words = Synthetic(SyntheticConfig(text=texts), Context(task=Task.recognition))
    for split in (words.train, words.val):
        assert split is not None
        rows = []
        for index, sample in enumerate(split):
            name = f"{split.split}-{index}.png"
            Image.fromarray(sample.image).save(root / name)
            rows.append(f"{name}\t{sample.text}\n")
        broken = "lost.png\t \n" if split is words.train else ""
        (root / f"{split.split}.tsv").write_text("".join(rows) + broken, encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def receipts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages as files and rows, as the dataset of the page reads them; the last row of train is none."""
    root = tmp_path_factory.mktemp("receipts")
    config = SyntheticConfig(train_pages=4, val_pages=2, test_pages=0, height=128, width=128, max_words=8)
    pages = Synthetic(config, Context(task=Task.detection))
    assert pages.val is not None
    for split in (pages.train, pages.val):
        rows = [*written(root, split), *(["half a row"] if split is pages.train else [])]
        (root / f"{split.split}.tsv").write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    return root


def written(root: Path, split: Pages) -> Iterator[str]:
    """Save the images of a split; yield a row per word."""
    for index, sample in enumerate(split):
        name = f"{split.split}-{index}.png"
        Image.fromarray(sample.image).save(root / name)
        for polygon, text in zip(sample.polygons, sample.texts, strict=True):
            yield f"{name}\t{','.join(f'{value:.1f}' for value in polygon.ravel())}\t{text}"


def test_the_tree_on_the_page_is_the_files_on_the_page(tmp_path: Path):
    tree = next(text for kind, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")) if kind == "text")
    shown = {line.split()[0] for line in tree.splitlines()}
    project = unpack(tmp_path)
    assert shown == {f"{p.name}/" if p.is_dir() else p.name for p in [project, *project.rglob("*")]}


def test_it_is_listed(acme: Environment):
    source = acme.folder / NAME / NAME.replace("-", "_") / "plugin.py"
    summaries = set(re.findall(r'^    summary="(.*)",$', source.read_text(encoding="utf-8"), re.M))
    rows = listed(acme)
    assert {row.pop("summary") for row in rows} == summaries
    assert len(summaries) == 5
    common = {"distribution": NAME, "version": VERSION, "conflict": False, "denied": None, "broken": None}
    assert rows == [
        {"kind": "dataset", "name": "slips", **common},
        {"kind": "dataset", "name": "tsv", **common},
        {"kind": "logger", "name": "jsonl", **common},
        {"kind": "model", "name": "inkling", **common},
        {"kind": "model", "name": "scribe", **common},
    ]


def test_commands_print_what_the_page_says(acme: Environment):
    consoles = [text for kind, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")) if kind == "console"]
    commands = []
    for text in consoles:
        command, _, shown = text.removeprefix("$ ocr-train ").partition("\n")
        done = acme.ocr_train(*shlex.split(command))
        assert done.stdout + done.stderr == shown
        commands.append(shlex.split(command)[0])
    assert commands == ["describe", "check"]


def test_it_is_checked(acme: Environment, receipts: Path):
    words = ("model=inkling", "dataset=tsv", f"dataset.root={receipts}", "logger=[jsonl]")
    done = acme.ocr_train("check", *words, "model.channels=8", "logger.jsonl.file=figures.jsonl")
    assert (done.returncode, done.stderr) == (0, "")
    for section in (
        "model:\n  name: inkling\n  channels: 8\n  shrink: 0.2\n",
        f"dataset:\n  name: tsv\n  root: {receipts}\n",
        "logger:\n  jsonl:\n    name: jsonl\n    enabled: true\n    file: figures.jsonl\n",
    ):
        assert section in done.stdout


def test_it_trains(acme: Environment, receipts: Path):
    done = acme.ocr_train(
        *("model=inkling", "model.channels=4", "dataset=tsv", f"dataset.root={receipts}", "logger=[jsonl]"),
        *("augment.crop=64", "data.batch_size=2", "data.num_workers=0", "data.max_skipped=0.5"),
        *("trainer.max_epochs=1", "trainer.accelerator=cpu", "trainer.log_every_n_steps=1", "exp_name=acme"),
    )
    assert done.returncode == 0, done.stderr
    (folder,) = (acme.folder / "runs" / "acme").iterdir()
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    used = [plugin for plugin in report["plugins"] if plugin["distribution"] == NAME]
    (digest,) = {plugin.pop("sha256") for plugin in used}
    assert re.fullmatch("[0-9a-f]{64}", digest)
    assert used == [
        {"kind": kind, "name": name, "distribution": NAME, "version": VERSION}
        for kind, name in (("model", "inkling"), ("dataset", "tsv"), ("logger", "jsonl"))
    ]
    assert report["steps"] == 2
    assert (folder / report["best_checkpoint"]).is_file()
    line = len((receipts / "train.tsv").read_text(encoding="utf-8").splitlines())
    reason = "this is not: image, tab, x1,y1,x2,y2,…, tab, text"
    assert report["skipped"]["entries"] == [f"{receipts / 'train.tsv'}:{line}: {reason}"]

    rows = [json.loads(row) for row in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert rows[0]["config"]["model"]["name"] == "inkling"
    losses = [row["train/loss"] for row in rows if "train/loss" in row]
    assert len(losses) == 2
    assert all(map(math.isfinite, losses))
    assert [row["val/hmean"] for row in rows if "val/hmean" in row] == [report["scores"]["val/hmean"]]


def test_its_recognizer_trains(acme: Environment, slips: Path):
    done = acme.ocr_train(
        *("model=scribe", "model.channels=4", "dataset=slips", f"dataset.root={slips}", "logger=[]"),
        *("charset.names=[digits]", "data.batch_size=2", "data.num_workers=0", "data.max_skipped=0.5"),
        *("trainer.max_epochs=1", "trainer.accelerator=cpu", "exp_name=scribe"),
    )
    assert done.returncode == 0, done.stderr
    (folder,) = (acme.folder / "runs" / "scribe").iterdir()
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert report["steps"] == 2
    assert {"val/ned_mean", "val/cer", "val/word_accuracy"} <= set(report["scores"])
    line = len((slips / "train.tsv").read_text(encoding="utf-8").splitlines())
    assert report["skipped"]["entries"] == [f"{slips / 'train.tsv'}:{line}: the text is empty"]


@pytest.mark.slow
def test_its_own_tests_pass(acme: Environment):
    done = acme.python("-m", "pytest", "-q", "-p", "no:cacheprovider", str(acme.folder / NAME / "tests"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.fullmatch(r"\d+ passed in .*", done.stdout.splitlines()[-1])


def test_it_is_mended_in_place_and_goes_without_a_trace(tmp_path: Path):
    environment = Environment.make(tmp_path)
    project = unpack(tmp_path)
    environment.pip("install", *OFFLINE, "--editable", str(project))
    assert len(listed(environment)) == 5

    description = project / "ocr_trainer_acme" / "plugin.py"
    sound = description.read_text(encoding="utf-8")
    description.write_text(sound.replace("api=1", "api=2"), encoding="utf-8")
    done = environment.ocr_train("describe", "model", "inkling")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"```text\n{done.stderr}```\n" in PAGE.read_text(encoding="utf-8")
    assert len(listed(environment)) == 5
    description.write_text(sound, encoding="utf-8")
    assert environment.ocr_train("describe", "model", "inkling").returncode == 0

    environment.pip("uninstall", "--yes", NAME)
    assert listed(environment) == []
    done = environment.ocr_train("check", "model=inkling")
    assert (done.returncode, done.stdout) == (2, "")
    left = json.loads(environment.ocr_train("list-plugins", "model", "--json").stdout)
    names = ", ".join(row["name"] for row in left) or "none"
    assert done.stderr == f"ocr-train: no model plugin named 'inkling' is installed.\n  installed: {names}\n"
