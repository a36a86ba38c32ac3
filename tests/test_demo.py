"""What `make demo` promises."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from ocr_trainer.cli.main import main


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_demo_finds_four_words_of_five(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["ocr-train", "experiment=demo"])
    assert main() == 0
    (report,) = tmp_path.glob("runs/demo/*/report.json")
    assert json.loads(report.read_text(encoding="utf-8"))["scores"]["test/hmean"] >= 0.8
