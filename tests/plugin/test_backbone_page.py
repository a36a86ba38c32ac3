"""The backbone that `docs/writing-a-backbone.md` teaches: made, installed, tested, trained with, uninstalled."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from helpers.environments import OFFLINE, Environment
from helpers.fakes import TINY

from ocr_trainer.cli.new_plugin import render
from ocr_trainer.plugin import Kind

PAGE = (Path(__file__).parents[2] / "docs" / "writing-a-backbone.md").read_text(encoding="utf-8")
NAME = "ocr-trainer-stripes"
FILE = re.compile(r"^`(ocr-trainer-stripes/[\w./-]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MISSING = [module for module in ("pip", "setuptools") if find_spec(module) is None]


def test_the_files_of_the_page_are_those_of_new_plugin():
    made = {f"{NAME}/{path}": text for path, text in render("stripes", Kind.backbone).items()}
    shown = dict(FILE.findall(PAGE))
    assert shown.keys() == made.keys() - {f"{NAME}/README.md", f"{NAME}/ocr_trainer_stripes/py.typed"}
    assert shown == {path: text for path, text in made.items() if path in shown}


@pytest.mark.skipif(bool(MISSING), reason=f"{' and '.join(MISSING)} not installed")
def test_dbnet_trains_on_it(tmp_path: Path):
    environment = Environment.make(tmp_path)
    done = environment.ocr_train("new-plugin", "stripes", "--kind", "backbone")
    assert done.returncode == 0, done.stderr
    environment.pip("install", *OFFLINE, "--editable", NAME)
    done = environment.python("-m", "pytest", "-q", "-p", "no:cacheprovider", NAME)
    assert done.returncode == 0, done.stdout
    done = environment.ocr_train("describe", "backbone", "stripes")
    assert "model.backbone.width=16   int, at least 4" in done.stdout
    words = ("model=dbnet", "model.backbone.name=stripes", "model.backbone.width=4", "logger=[]")
    done = environment.ocr_train(*words, *TINY, "calibrate.enabled=false")
    assert done.returncode == 0, done.stderr
    (report,) = tmp_path.glob("runs/*/*/report.json")
    content = json.loads(report.read_text(encoding="utf-8"))
    assert content["steps"] == 2
    assert {"kind": "backbone", "name": "stripes", "distribution": NAME, "version": "0.1.0"}.items() <= next(
        plugin.items() for plugin in content["plugins"] if plugin["kind"] == "backbone"
    )
    environment.pip("uninstall", "--yes", NAME)
    checkpoint = report.parent / content["best_checkpoint"]
    done = environment.ocr_train("test", str(checkpoint))
    assert done.returncode == 2
    assert "no backbone plugin named 'stripes' is installed" in done.stderr
