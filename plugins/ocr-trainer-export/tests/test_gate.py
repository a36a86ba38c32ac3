"""The gate refuses exports that are spoiled on purpose, and passes the same ones whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ocr_trainer_export.graph import Graph
from ocr_trainer_export.plugin import PlainConfig
from ocr_trainer_export.rapidocr_format import RapidOcrExporter
from ocr_trainer_export.wrappers import Pixels

from ocr_trainer.exporting.exporter import Subject
from ocr_trainer.exporting.gate import Verdict, run_gate
from ocr_trainer.plugin import Context, Task


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


def gate(exporter: type[RapidOcrExporter], trained: Any, folder: Path) -> Verdict:
    made = exporter(PlainConfig(name="rapidocr"), Context(task=Task.detection))
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
