"""The backbone of `docs/writing-a-backbone.md`, which new-plugin makes: installed, tested, trained with, uninstalled."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
from helpers.environments import OFFLINE, Environment
from helpers.fakes import TINY

NAME = "ocr-trainer-stripes"
MISSING = [module for module in ("pip", "setuptools") if find_spec(module) is None]


@pytest.mark.slow
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
