"""The metric that `docs/writing-a-metric.md` teaches: installed, tested, trained with, scored with."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from helpers.environments import OFFLINE, Environment
from helpers.fakes import TINY

PAGE = (Path(__file__).parents[2] / "docs" / "writing-a-metric.md").read_text(encoding="utf-8")
FILE = re.compile(r"^`(ocr-trainer-counted/[\w./-]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    environment = Environment.make(tmp_path_factory.mktemp("counted"))
    for path, text in FILE.findall(PAGE):
        (environment.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (environment.folder / path).write_text(text, encoding="utf-8")
    environment.pip("install", *OFFLINE, str(environment.folder / "ocr-trainer-counted"))
    return environment


@pytest.mark.slow
def test_its_own_tests_pass(installed: Environment) -> None:
    tests = installed.folder / "ocr-trainer-counted" / "tests"
    done = installed.python("-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_run_is_scored_by_it(installed: Environment) -> None:
    words = (*TINY, "model=dbnet", "metric=[counted]", "checkpoint.monitor=counted_error")
    done = installed.ocr_train(*words)
    assert done.returncode == 0, done.stderr
    (file,) = installed.folder.glob("runs/*/*/report.json")
    told = json.loads(file.read_text(encoding="utf-8"))
    assert told["monitor"] == "val/counted_error"
    assert {f"{split}/counted_{score}" for split in ("val", "test") for score in ("share", "error")} <= set(
        told["scores"]
    )
    assert (told["notes"], {p["name"] for p in told["plugins"] if p["kind"] == "metric"}) == ([], {"counted"})


def test_files_are_scored_by_it(installed: Environment) -> None:
    for side, rows in {"gt": ["0,0,9,9", "20,0,29,9"], "pred": ["0,0,9,9"]}.items():
        (installed.folder / side).mkdir()
        (installed.folder / side / "img_1.txt").write_text("\n".join(rows), encoding="utf-8")
        (installed.folder / side / "img_2.txt").write_text("0,0,9,9\n", encoding="utf-8")
    done = installed.ocr_train("score", "--gt", "gt", "--pred", "pred", "--metric", "counted")
    assert done.returncode == 0, done.stderr
    assert re.search(r"share +0\.5000\n +error +0\.5000", done.stdout)
