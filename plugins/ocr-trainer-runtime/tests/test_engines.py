"""The pages of an exported model are those of the model in torch: one pipeline, two engines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from ocr_trainer_export.onnx_format import OnnxExporter  # noqa: E402
from ocr_trainer_export.plugin import OnnxConfig  # noqa: E402

from ocr_trainer.config.compose import compose  # noqa: E402
from ocr_trainer.config.context import run_context  # noqa: E402
from ocr_trainer.config.schema import plain  # noqa: E402
from ocr_trainer.engine.build import build_model  # noqa: E402
from ocr_trainer.exporting.exporter import Subject  # noqa: E402
from ocr_trainer.exporting.metadata import describe  # noqa: E402
from ocr_trainer_runtime.opening import load  # noqa: E402
from ocr_trainer_runtime.pipeline import Pipeline, detect, recognize  # noqa: E402
from ocr_trainer_runtime.reader import Reader  # noqa: E402

CHARSET = "charset.characters=' 0123456789abcdef'"
DETECTORS = {
    "dbnet": ("model=dbnet", "model.neck_channels=16"),
    "dbnet polygon": ("model=dbnet", "model.neck_channels=16", "model.shape=polygon", "model.unclip=exact"),
    "dbnetpp": ("model=dbnetpp", "model.neck_channels=16", "model.side=long"),
    "ppocrv6_det": ("model=ppocrv6_det", "model.weights=rapidocr", "model.size=480"),
    "ppocrv6_det polygon": (
        *("model=ppocrv6_det", "model.weights=rapidocr"),
        *("model.shape=polygon", "model.size=480"),
    ),
}
RECOGNIZERS = {
    "crnn": ("model=crnn", "model.size=tiny", CHARSET),
    "crnn beam": ("model=crnn", "model.size=tiny", "model.beam=3", CHARSET),
    "svtrv2": ("model=svtrv2", "model.size=tiny", CHARSET),
    "parseq": ("model=parseq", "model.size=tiny", "model.max_length=6", CHARSET),
    "parseq keep_ratio": (
        "model=parseq",
        "model.size=tiny",
        "model.max_length=4",
        "model.keep_ratio=true",
        CHARSET,
    ),
    "ppocrv6_rec": ("model=ppocrv6_rec", "model.weights=rapidocr", CHARSET),
}


def export(words: tuple[str, ...], folder: Path) -> Any:
    """Write a model as ONNX, and return it; without published weights, it is random but not silent."""
    torch.manual_seed(0)
    data = "synthetic" if "_det" in words[0] or "dbnet" in words[0] else "dataset=synthetic"
    run = compose([*words, data if "=" in data else f"dataset={data}", "logger=[]"])
    context = run_context(run, folder)
    model = build_model(run, context).eval()
    exportable, saved = model.exportable(), {"config": plain(run)}
    subject = Subject(model, exportable, run, describe(model, exportable, run, saved, None))
    folder.mkdir(parents=True, exist_ok=True)
    OnnxExporter(OnnxConfig(name="onnx"), context).write(subject, folder)
    return model


def rendered(texts: list[str]) -> np.ndarray:
    """Return a page with a row for each text."""
    image = np.full((60 + 70 * len(texts), 420, 3), 255, np.uint8)
    for row, text in enumerate(texts):
        cv2.putText(
            image, text, (20, 60 + 70 * row), cv2.FONT_HERSHEY_SIMPLEX, 1.4, (20, 20, 20), 3, cv2.LINE_AA
        )
    return image


def quiet_threshold(values: np.ndarray) -> float:
    """Return a threshold in the widest gap around the upper values: no rounding moves a pixel across it."""
    upper = np.sort(values.ravel())[int(0.7 * values.size) : int(0.99 * values.size)]
    widest = int(np.diff(upper).argmax())
    return float(upper[widest : widest + 2].mean())


@pytest.mark.parametrize("name", DETECTORS)
def test_detectors_find_the_same(name: str, tmp_path: Path):
    model = export(DETECTORS[name], tmp_path)
    exported = load(tmp_path, threads=1).pipeline
    assert exported.detector is not None
    page = rendered(["0123 abc", "def 42", "a0b1c2"])
    if "dbnet" in name:  # random: choose what it takes for text
        with torch.inference_mode():
            maps = model(torch.from_numpy(page[:224, :416].transpose(2, 0, 1)[None].copy()))["probability"]
        threshold = quiet_threshold(maps.numpy())
        options = {"binarize_threshold": threshold, "box_threshold": 0.0, "min_side": 1.0}
        for key, value in options.items():
            setattr(model.config, key, value)
            object.__setattr__(exported.detector.decoding, key, value)  # type: ignore[attr-defined]
    ours, theirs = detect(model, page), detect(exported.detector, page)
    assert len(ours.polygons) == len(theirs.polygons) > 0
    for mine, other in zip(ours.polygons, theirs.polygons, strict=True):
        assert mine.shape == other.shape
        assert np.abs(mine - other).max() < 0.6
    assert np.abs(ours.scores - theirs.scores).max() < 1e-3


@pytest.mark.parametrize("name", RECOGNIZERS)
def test_recognizers_read_the_same(name: str, tmp_path: Path):
    model = export(RECOGNIZERS[name], tmp_path)
    exported = load(tmp_path, threads=1).pipeline
    assert exported.recognizer is not None
    images = [rendered([text])[15:75, : 60 + 30 * len(text)] for text in ("0123", "a", "def 4 2 abc")]
    ours, theirs = recognize(model, images), recognize(exported.recognizer, images)
    assert [reading.text for reading in ours] == [reading.text for reading in theirs]
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.score == pytest.approx(other.score, abs=1e-3)
        assert np.abs(mine.scores - other.scores).max(initial=0) < 1e-3


def test_pages_are_the_same(tmp_path: Path):
    detector = export(DETECTORS["ppocrv6_det"], tmp_path / "det")
    recognizer = export(RECOGNIZERS["ppocrv6_rec"], tmp_path / "rec")
    page = rendered(["Invoice 0123", "Total 42.50"])
    exported = load(tmp_path / "rec", tmp_path / "det", threads=1).predict(page).to_dict()
    trained = Reader(Pipeline(detector, recognizer), "trained").predict(page).to_dict()
    assert texts_of(exported) == texts_of(trained) != []


def texts_of(record: dict[str, Any]) -> list[str]:
    """Return all texts in the record of a page."""
    return [found["text"] for found in record["detections"]]
