"""int8 is written only if it costs little and is faster, and it says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest
from helpers.full_disk import limited
from ocr_trainer_export.int8 import cost, why_not
from ocr_trainer_export.onnx_format import OnnxExporter
from ocr_trainer_export.plugin import OnnxConfig

from ocr_trainer.errors import ExportError
from ocr_trainer.exporting.gate import Row, Verdict
from ocr_trainer.plugin import Context, Task


def test_it_is_kept_or_explained(recognizer: Any, tmp_path: Path):
    exporter = OnnxExporter(OnnxConfig(name="onnx", int8=True), Context(task=Task.recognition))
    exporter.write(recognizer.subject, tmp_path)
    (note,) = exporter.finish(recognizer.subject, tmp_path, recognizer.samples, recognizer.metrics)
    quantized = tmp_path / "model.int8.onnx"
    assert quantized.exists() == note.startswith("int8 costs 0."), note
    if quantized.exists():
        nodes = {node.op_type for node in onnx.load(str(quantized)).graph.node}
        assert {"QuantizeLinear", "DequantizeLinear"} <= nodes
        assert quantized.stat().st_size < 0.7 * (tmp_path / "model.onnx").stat().st_size
    else:
        assert "int8 is not written: it " in note


@pytest.mark.parametrize("size", [100_000, 1_500_000])
def test_on_a_full_disk_it_is_one_message(
    size: int, recognizer: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    exporter = OnnxExporter(OnnxConfig(name="onnx", int8=True), Context(task=Task.recognition))
    exporter.write(recognizer.subject, tmp_path)
    with limited(size), pytest.raises(ExportError, match="the export cannot be quantized: ") as caught:
        exporter.finish(recognizer.subject, tmp_path, recognizer.samples[:6], recognizer.metrics)
    assert "or leave out exporter.int8" in str(caught.value).splitlines()[1]
    assert not caplog.records


@pytest.mark.parametrize(
    ("loss", "before", "after", "reason"),
    [
        (0.004, 2.0, 1.0, None),
        (0.016, 2.0, 1.0, "it costs 1.6 points, more than 0.5"),
        (float("nan"), 2.0, 1.0, "it costs nan points, more than 0.5"),
        (0.0, 1.0, 1.25, "it is not faster: 1.25 s instead of 1.00 s for the same images"),
    ],
)
def test_why_it_is_not_kept(loss: float, before: float, after: float, reason: str | None):
    assert why_not(loss, before, after) == reason


def test_the_cost_is_the_largest_loss(recognizer: Any, detector: Any):
    pages = [
        Row(
            1, 1, checkpoint={"hmean": 0.9, "cleval_hmean": 0.8}, export={"hmean": 0.91, "cleval_hmean": 0.77}
        )
    ]
    assert cost(detector.subject, Verdict(False, "it", pages)) == pytest.approx(0.03)
    texts = [
        Row(1, 1, checkpoint={"cer": 0.1}, export={"cer": 0.15}),
        Row(1, 6, checkpoint={"cer": 0.1}, export={"cer": 0}),
    ]
    assert cost(recognizer.subject, Verdict(True, "it", texts)) == pytest.approx(0.05)
