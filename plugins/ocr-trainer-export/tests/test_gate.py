"""The gate refuses exports that are spoiled on purpose, and passes the same ones whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from ocr_trainer_export.graph import Graph
from ocr_trainer_export.paddlex_format import PaddleXExporter
from ocr_trainer_export.plugin import PaddleXConfig, PlainConfig
from ocr_trainer_export.rapidocr_format import RapidOcrExporter
from ocr_trainer_export.wrappers import Pixels

from ocr_trainer.exporting.exporter import Subject
from ocr_trainer.exporting.gate import Row, Verdict, run_gate
from ocr_trainer.exporting.tensors import Exact, Rounding, difference
from ocr_trainer.plugin import Config, Context, Task


class WrongMean(RapidOcrExporter):
    def pixels(self) -> Pixels:
        return Pixels(mean=(0.485, 0.456, 0.406), bgr=True)


class SwappedChannels(RapidOcrExporter):
    def pixels(self) -> Pixels:
        return Pixels(bgr=False)


class SpaceFirst(RapidOcrExporter):
    def order(self, subject: Subject) -> list[int]:
        blank, *others, space = super().order(subject)
        return [blank, space, *others]


class BlankLast(RapidOcrExporter):
    def order(self, subject: Subject) -> list[int]:
        blank, *others = super().order(subject)
        return [*others, blank]


class FixedWidth(RapidOcrExporter):
    def graph(self, subject: Subject) -> Graph:
        graph = super().graph(subject)
        fixed = {
            name: {axis: free for axis, free in axes.items() if axis == 0}
            for name, axes in graph.axes.items()
        }
        return replace(graph, axes=fixed)


FORMATS: dict[type[RapidOcrExporter], Config] = {
    RapidOcrExporter: PlainConfig(name="rapidocr"),
    PaddleXExporter: PaddleXConfig(name="paddlex"),
}


def gate(
    exporter: type[RapidOcrExporter],
    trained: Any,
    folder: Path,
    format_: type[RapidOcrExporter] = RapidOcrExporter,
) -> Verdict:
    bases = (exporter,) if issubclass(format_, exporter) else (exporter, format_)
    made = type("Made", bases, {})(FORMATS[format_], Context(task=Task.detection))
    made.write(trained.subject, folder)
    engine = made.open(trained.subject, folder)
    return run_gate(
        trained.subject,
        engine,
        trained.samples[: 12 if trained.subject.reads else 7],
        trained.metrics,
        sizes=(1.0, 0.75) if trained.subject.reads else (1.0,),
    )


@pytest.mark.parametrize(
    ("exporter", "words"),
    [
        (WrongMean, "probabilities differ"),
        (SwappedChannels, "probabilities differ"),
        (SpaceFirst, "texts are identical"),
        (BlankLast, "texts are identical"),
        (FixedWidth, "fails: "),
    ],
)
def test_a_spoiled_recognizer_is_refused(
    exporter: type[RapidOcrExporter], words: str, recognizer: Any, tmp_path: Path
):
    verdict = gate(exporter, recognizer, tmp_path)
    assert any(words in fault for fault in verdict.faults), verdict.faults
    assert not verdict.to_dict()["passed"]


@pytest.mark.parametrize(
    ("exporter", "words"),
    [
        (WrongMean, "probabilities differ"),
        (SwappedChannels, "probabilities differ"),
        (FixedWidth, "fails: "),
    ],
)
def test_a_spoiled_detector_is_refused(
    exporter: type[RapidOcrExporter], words: str, detector: Any, tmp_path: Path
):
    verdict = gate(exporter, detector, tmp_path)
    assert any(words in fault for fault in verdict.faults), verdict.faults


@pytest.mark.parametrize("exporter", [WrongMean, SwappedChannels, SpaceFirst, BlankLast, FixedWidth])
def test_a_spoiled_recognizer_for_paddlex_is_refused(
    exporter: type[RapidOcrExporter], recognizer: Any, tmp_path: Path
):
    assert gate(exporter, recognizer, tmp_path, PaddleXExporter).faults


@pytest.mark.parametrize("which", ["recognizer", "detector"])
def test_paddlex_reads_the_same_export_whole(which: str, request: pytest.FixtureRequest, tmp_path: Path):
    trained = request.getfixturevalue(which)
    verdict = gate(PaddleXExporter, trained, tmp_path, PaddleXExporter)
    assert verdict.faults == []
    assert "PaddleX itself did not run" in verdict.engine
    assert verdict.own is None
    assert [row.same for row in verdict.rows] == [12 if trained.subject.reads else 0] * len(verdict.rows)


@pytest.mark.parametrize(
    ("found", "rounding", "passes"),
    [
        (1e-4, None, True),
        (4e-4, None, False),
        (4e-4, Rounding(checkpoint=5e-5, export=3.8e-4), True),
        (4e-4, Rounding(checkpoint=1e-6, export=4e-4), False),
        (9e-1, Rounding(checkpoint=5e-5, export=9e-1), False),
        (float("inf"), Rounding(checkpoint=1e-6, export=float("inf")), False),
        (float("inf"), Rounding(checkpoint=float("inf"), export=float("inf")), False),
    ],
)
def test_rounding_explains_as_much_as_the_checkpoint_rounds(
    found: float, rounding: Rounding | None, passes: bool
):
    row = Row(1, 1, images=1, same=1, difference=found, rounding=rounding)
    assert (row.faults(reads=True) == []) == passes


def test_float64_tells_rounding_from_faults(recognizer: Any):
    images = torch.from_numpy(recognizer.samples[0].image[None, :32, :24].transpose(0, 3, 1, 2).copy())
    subject = recognizer.subject
    with torch.inference_mode():
        expected = subject.model(images, torch.tensor([24]))
        wrong = {**expected, "logits": expected["logits"].roll(1, -1)}
        right = Exact(subject).rounding((images, torch.tensor([24])), expected, expected)
        spoiled = Exact(subject).rounding((images, torch.tensor([24])), expected, wrong)
    assert right is not None
    assert spoiled is not None
    assert right.explains
    assert right.checkpoint == right.export < 1e-5
    assert not spoiled.explains
    assert spoiled.checkpoint == right.checkpoint


def test_what_is_not_a_number_differs(recognizer: Any):
    expected = {"logits": torch.zeros(1, 3, 5), "steps": torch.tensor([3])}
    got = {"logits": torch.full((1, 3, 5), float("nan")), "steps": torch.tensor([3])}
    assert difference(recognizer.subject, expected, got, expected) == float("inf")


@pytest.mark.parametrize("which", ["recognizer", "detector"])
def test_the_same_export_passes_whole(which: str, request: pytest.FixtureRequest, tmp_path: Path):
    trained = request.getfixturevalue(which)
    verdict = gate(RapidOcrExporter, trained, tmp_path)
    assert verdict.faults == []
    (row, *_) = verdict.rows
    scores: Callable[[str], float] = row.checkpoint.__getitem__
    if which == "recognizer":
        assert scores("cer") < 0.2, "the model must read, or equal texts mean nothing"
        assert row.same == row.images == 12
    else:
        assert scores("cleval_hmean") > 0.2, "the model must find texts, or equal scores mean nothing"
        assert verdict.own is not None
        assert verdict.own["cleval_hmean"] > 0.1
