"""What the tests of the core share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

Cli = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """Run `ocr-train` as a user does, in an empty folder."""

    def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "ocr_trainer", *words],
            cwd=tmp_path,
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=240,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def receipts() -> Path:
    """The folder of real receipts, where there is one."""
    place = Path(os.environ.get("OCR_TRAINER_DATA", ROOT.parent / "shared" / "data")) / "receipts_sroie2019"
    if not place.is_dir():
        pytest.skip(f"no real receipts at {place} (set OCR_TRAINER_DATA)")
    return place
