"""The plugin that `docs/writing-an-augmentation.md` teaches: installed, tested, trained with."""

from __future__ import annotations

import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest
from helpers.environments import OFFLINE, Environment
from helpers.fakes import TINY

PAGE = (Path(__file__).parents[2] / "docs" / "writing-an-augmentation.md").read_text(encoding="utf-8")
NAME = "ocr-trainer-turns"
FILE = re.compile(r"^`(ocr-trainer-turns/[\w./-]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MISSING = [module for module in ("pip", "setuptools") if find_spec(module) is None]


@pytest.mark.skipif(bool(MISSING), reason=f"{' and '.join(MISSING)} not installed")
@pytest.mark.slow
def test_the_commands_of_the_page_work(tmp_path: Path):
    for path, text in FILE.findall(PAGE):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    environment = Environment.make(tmp_path)
    (commands,) = SHELL.findall(PAGE)
    install, tests, train = (shlex.split(line) for line in commands.splitlines())
    environment.pip("install", *OFFLINE, *install[2:])
    done = environment.python("-m", "pytest", "-q", "-p", "no:cacheprovider", *tests[1:])
    assert done.returncode == 0, done.stdout + done.stderr
    done = environment.ocr_train("describe", "augmentation", "turns")
    assert "augment.steps.turns.probability=0.5" in done.stdout
    done = environment.ocr_train(*train[1:], *TINY, "logger=[]", "calibrate.enabled=false")
    assert done.returncode == 0, done.stdout + done.stderr
    (checkpoint,) = tmp_path.glob("runs/*/*/checkpoints/best.ckpt")
    environment.pip("uninstall", "--yes", NAME)
    done = environment.ocr_train("test", str(checkpoint))
    assert done.returncode == 0, "a trained model needs no augmentation"
