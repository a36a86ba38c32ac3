"""The plugins that `docs/writing-an-optimizer.md` and `docs/writing-a-schedule.md` teach: installed, tested, trained with."""

from __future__ import annotations

import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest
from helpers.environments import OFFLINE, Environment

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {"ocr-trainer-signum": "writing-an-optimizer.md", "ocr-trainer-rsqrt": "writing-a-schedule.md"}
FILE = re.compile(r"^`(ocr-trainer-\w+/[\w./-]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SMALL = [
    "model.neck_channels=8",
    "model.backbone.width=8",
    "model.size=64",
    "augment.crop=64",
    "calibrate.enabled=false",
    "logger=[]",
]
SMALL += ["dataset.train_pages=4", "dataset.val_pages=2", "dataset.height=64", "dataset.width=64"]
SMALL += ["data.batch_size=2", "data.num_workers=0", "trainer.max_epochs=1", "trainer.accelerator=cpu"]
MISSING = [module for module in ("pip", "setuptools") if find_spec(module) is None]

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"{' and '.join(MISSING)} not installed")


@pytest.mark.parametrize("distribution", PAGES)
@pytest.mark.slow
def test_the_commands_of_the_page_work(distribution: str, tmp_path: Path):
    page = (DOCS / PAGES[distribution]).read_text(encoding="utf-8")
    for path, text in FILE.findall(page):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    environment = Environment.make(tmp_path)
    (commands,) = SHELL.findall(page)
    install, tests, train = (shlex.split(line) for line in commands.splitlines())
    assert install == ["pip", "install", f"./{distribution}"]
    environment.pip("install", *OFFLINE, f"./{distribution}")
    done = environment.python("-m", "pytest", "-q", "-p", "no:cacheprovider", *tests[1:])
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.fullmatch(r"\d+ passed in .*", done.stdout.splitlines()[-1])
    done = environment.ocr_train(*train[1:], *SMALL)
    assert done.returncode == 0, done.stdout + done.stderr
