"""Each of our models through each format: it agrees with its export, or is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocr_trainer.errors import ExportError
from ocr_trainer.exporting.exporter import Exporter
from ocr_trainer.exporting.gate import run_gate
from ocr_trainer.plugin import Context, Kind, Task, discovery
from ocr_trainer.testing.exported import samples, subject

CHARSET = "charset.characters=' ABC12'"
PARSEQ = ("model=parseq", "model.size=tiny", "model.max_length=4", CHARSET)
MODELS = {
    "dbnet": ("model=dbnet", "model.neck_channels=8", "model.size=64"),
    "dbnetpp": ("model=dbnetpp", "model.neck_channels=16", "model.size=64"),
    "crnn": ("model=crnn", "model.size=tiny", CHARSET),
    "svtrv2": ("model=svtrv2", "model.size=tiny", CHARSET),
    "ppocrv6_det": ("model=ppocrv6_det",),
    "ppocrv6_rec": ("model=ppocrv6_rec", "model.weights=rapidocr", CHARSET),
    "parseq": PARSEQ,
    "parseq, padded": (*PARSEQ, "model.keep_ratio=true"),
    "parseq, at once": (*PARSEQ, "model.decode_ar=false", "model.refinements=0"),
}
REFUSED = {
    **{
        (model, format_): "decodes with CTC"
        for model in list(MODELS)[-3:]
        for format_ in ("rapidocr", "paddlex", "opencv")
    },
    ("ppocrv6_rec", "onnxtr"): "OnnxTR's images of texts are 128 x 32 pixels",
    ("crnn", "torch_export"): "fixes the steps of an LSTM",
}
DIFFERS = {("parseq, padded", "torch_export")}
"""What the gate refuses."""
LARGE = {(model, "onnxtr") for model in ("dbnet", "dbnetpp", "ppocrv6_det")}
"""OnnxTR's pages have a million pixels."""
QUICK = {("dbnetpp", "opencv"), ("svtrv2", "opencv"), ("parseq", "onnx"), ("ppocrv6_rec", "onnx"), *REFUSED}
PAIRS = [
    pytest.param(model, format_, marks=[] if (model, format_) in QUICK else [pytest.mark.slow])
    for model in MODELS
    for format_ in ("onnx", "rapidocr", "paddlex", "opencv", "onnxtr", "safetensors", "torch_export")
]


@pytest.mark.parametrize(("model", "format_"), PAIRS)
def test_it_agrees_or_is_refused(model: str, format_: str, tmp_path: Path):
    made, metrics = subject(MODELS[model])
    description = discovery.load(Kind.exporter, format_)
    factory = discovery.resolve(Kind.exporter, format_)
    exporter: Exporter = factory(description.config(name=format_), Context(task=Task.detection))
    reason = exporter.refusal(made)
    if (model, format_) in REFUSED:
        assert reason is not None
        assert REFUSED[model, format_] in reason
        return
    assert reason is None
    exporter.write(made, tmp_path)
    engine = exporter.open(made, tmp_path)
    few = samples(made, 2 if (model, format_) in LARGE else 4)
    verdict = run_gate(made, engine, few, metrics, sizes=(0.75, 1.25))
    assert bool(verdict.faults) == ((model, format_) in DIFFERS), verdict.faults


def test_a_missing_consumer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made, _ = subject(MODELS["crnn"])
    exporter: Exporter = discovery.resolve(Kind.exporter, "onnxtr")(None, Context(task=Task.recognition))
    exporter.write(made, tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "onnxtr", None)
    with pytest.raises(ExportError, match="the gate runs the export with OnnxTR, which is not installed"):
        exporter.open(made, tmp_path)
