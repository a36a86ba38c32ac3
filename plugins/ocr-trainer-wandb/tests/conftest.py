import os
import sys
from pathlib import Path

import pytest

from ocr_trainer.plugin import Context, Task

sys.path.insert(0, str(Path(__file__).parent))  # for fake_server and wandb_file


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a machine that wandb has never met, here and for child processes."""
    for name in list(os.environ):
        if name.startswith("WANDB_") or name == "NETRC":
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    for name in ("HOME", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(home))
    return dict(os.environ)


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(task=Task.detection, folder=tmp_path / "a run", exp_name="receipts")
