"""What the exporter `paddlex` writes: PaddleX itself agrees where OCR_TRAINER_PADDLEX names its interpreter."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from ocr_trainer_export.paddlex_format import MODEL, RULES, PaddleXExporter
from ocr_trainer_export.plugin import PaddleXConfig

from ocr_trainer.errors import ExportError
from ocr_trainer.exporting.gate import run_gate
from ocr_trainer.plugin import Context, Task

PYTHON = os.environ.get("OCR_TRAINER_PADDLEX")


def exporter(python: str | None = None) -> PaddleXExporter:
    config = PaddleXConfig(name="paddlex", python=Path(python) if python else None)
    return PaddleXExporter(config, Context(task=Task.recognition))


@pytest.mark.parametrize("which", ["recognizer", "detector"])
def test_the_files_are_those_that_paddlex_reads(which: str, request: pytest.FixtureRequest, tmp_path: Path):
    trained = request.getfixturevalue(which)
    exporter().write(trained.subject, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {MODEL, RULES, "params.json", "example.py"}
    rules = yaml.safe_load((tmp_path / RULES).read_text(encoding="utf-8"))
    assert rules["Global"]["model_name"].startswith("PP-OCRv6_small_")
    if which == "recognizer":
        assert rules["PostProcess"] == {"name": "CTCLabelDecode", "character_dict": ["0", "1", "A"]}
    else:
        assert rules["PostProcess"]["box_thresh"] == 0.3


@pytest.mark.skipif(PYTHON is None, reason="OCR_TRAINER_PADDLEX names no interpreter with PaddleX")
@pytest.mark.slow
@pytest.mark.parametrize("which", ["recognizer", "detector"])
def test_paddlex_itself_agrees(which: str, request: pytest.FixtureRequest, tmp_path: Path):
    trained: Any = request.getfixturevalue(which)
    made = exporter(PYTHON)
    made.write(trained.subject, tmp_path)
    engine = made.open(trained.subject, tmp_path)
    verdict = run_gate(trained.subject, engine, trained.samples[:12], trained.metrics)
    assert verdict.engine.startswith("paddlex 3.7")
    assert verdict.faults == []
    assert all(row.same == row.images for row in verdict.rows if trained.subject.reads)
    if not trained.subject.reads:
        assert verdict.own is not None
        assert verdict.own["cleval_hmean"] > 0.1


def test_an_interpreter_without_paddlex_is_named(recognizer: Any, tmp_path: Path):
    made = exporter("/usr/bin/false")
    with pytest.raises(ExportError, match="with PaddleX, which /usr/bin/false does not start"):
        made.open(recognizer.subject, tmp_path)
