"""The gate: an export passes if the software that it is made for gives the results of the checkpoint.

The checkpoint and the export see the same pixels. The model's own `decode` decodes the outputs of both;
if the software itself decodes texts, the export gets those. The scores of the regions that the software
itself finds are shown, but do not count: its rules differ from the model's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ocr_trainer.data.types import Image, Recognition
from ocr_trainer.exporting.exporter import Engine, Subject
from ocr_trainer.exporting.samples import SIZES, Inputs, Item, batches, items, stack, to_tensors
from ocr_trainer.exporting.tensors import ROUNDING_LIMIT, TENSOR_LIMIT, Exact, Rounding, difference
from ocr_trainer.metrics.collection import MetricCollection
from ocr_trainer.plugin.contract import describe_exception
from ocr_trainer.tasks.detection.scoring import decode, images_of

SCORE_LIMIT = 0.001
"""Largest allowed difference of a score."""
TEXT_LIMIT = 0.995
"""Smallest allowed share of identical texts."""
LEAST = {True: 500, False: 50}
"""Number of texts (True) and of pages (False) that the gate needs."""
SCORES = {True: ("cer",), False: ("hmean", "cleval_hmean")}
"""The scores that the gate compares: those of recognizers (True) and of detectors (False)."""


@dataclass
class Row:
    """The comparison at one size and batch."""

    size: float
    batch: int
    images: int = 0
    difference: float = 0.0
    """The largest difference of a probability."""
    rounding: Rounding | None = None
    """Of the last batch above `TENSOR_LIMIT`, or of the first one that rounding does not explain."""
    same: int = 0
    """Number of identical texts."""
    checkpoint: dict[str, float] = field(default_factory=dict)
    export: dict[str, float] = field(default_factory=dict)
    seconds: tuple[float, float] = (0.0, 0.0)
    """Time of the network in torch, and of the engine."""
    failure: str = ""
    """The error of the software; empty if there was none."""

    def faults(self, reads: bool) -> list[str]:
        """Return one message per difference that exceeds its limit."""
        if self.failure:
            return [self.failure]
        found = []
        for name, value in self.checkpoint.items():
            if not abs(self.export.get(name, float("nan")) - value) <= SCORE_LIMIT:
                found.append(f"{name} is {self.export.get(name, float('nan')):.4f}, not {value:.4f}")
        if reads and self.same < TEXT_LIMIT * self.images:
            found.append(f"{self.same} of {self.images} texts are identical")
        if not (self.difference <= TENSOR_LIMIT or self.rounded):
            found.append(f"probabilities differ by up to {self.difference:.2g}")
        return found

    @property
    def rounded(self) -> bool:
        """Whether probabilities differ by more than `TENSOR_LIMIT`, and rounding explains it."""
        return self.rounding is not None and self.rounding.explains


@dataclass
class Verdict:
    """What the gate found."""

    reads: bool
    engine: str
    rows: list[Row]
    own: dict[str, float] | None = None
    """The scores of the regions that the software itself finds, at size 1."""

    @property
    def faults(self) -> list[str]:
        """One message per size and batch that exceeds a limit; empty if the export passes."""
        return [
            f"at size {row.size:g} in batches of {row.batch}: {'; '.join(found)}"
            for row in self.rows
            if (found := row.faults(self.reads))
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the form of gate.json."""
        return {
            "engine": self.engine,
            "passed": not self.faults,
            "limits": {
                "scores": SCORE_LIMIT,
                "probabilities": TENSOR_LIMIT,
                "rounding": ROUNDING_LIMIT,
                "same_texts": TEXT_LIMIT,
            },
            "rows": [
                {
                    **{key: getattr(row, key) for key in ("size", "batch", "images", "checkpoint", "export")},
                    "probabilities_differ_by": row.difference,
                    "from_float64": None if row.rounding is None else vars(row.rounding),
                    "same_texts": row.same if self.reads else None,
                    "failure": row.failure or None,
                    "seconds": {"torch": row.seconds[0], "export": row.seconds[1]},
                }
                for row in self.rows
            ],
            "own_regions": self.own,
        }


@torch.inference_mode()
def run_gate(
    subject: Subject,
    engine: Engine,
    samples: Sequence[Any],
    metrics: MetricCollection,
    sizes: Sequence[float] = SIZES,
) -> Verdict:
    """Compare an export with its model on samples.

    Args:
        subject: The model.
        engine: Runs the export.
        samples: `Sample` or `TextImage`.
        metrics: Metrics without counts.
        sizes: Factors by which the images are resized.
    """
    verdict, exact = Verdict(subject.reads, engine.title, []), Exact(subject)
    for factor in sizes:
        found = items(subject, samples, factor, engine)
        for batch in engine.batches:
            verdict.rows.append(_compare(exact, engine, found, metrics, Row(factor, batch)))
    if not subject.reads and not verdict.faults:
        verdict.own = _own(subject, engine, items(subject, samples, 1.0, engine), metrics)
    return verdict


def _compare(exact: Exact, engine: Engine, found: Sequence[Item], metrics: MetricCollection, row: Row) -> Row:
    subject = exact.subject
    counts = metrics.copy(), metrics.copy()
    for batch in batches(found, row.batch):
        inputs = stack(subject, batch, engine)
        start = perf_counter()
        expected: dict[str, Tensor] = subject.model(*inputs.arguments)
        middle = perf_counter()
        arrays = inputs.images.numpy(), None if inputs.widths is None else inputs.widths.numpy()
        try:
            got = to_tensors(engine.outputs(*arrays))
            end = perf_counter()
            read = engine.read([item.image for item in batch]) if subject.reads else None
        except Exception as error:  # each software raises its own types
            row.failure = f"{engine.title} fails: {describe_exception(error)}"
            return row
        row.seconds = row.seconds[0] + middle - start, row.seconds[1] + end - middle
        _add_difference(exact, row, inputs, expected, got)
        pairs = _predictions(subject, batch, expected, got, read)
        for item, ours, theirs in pairs:
            for count, prediction in zip(counts, (ours, theirs), strict=True):
                count.update(prediction, item.truth)
            row.same += subject.reads and ours.text == theirs.text
        row.images += len(batch)
    row.checkpoint, row.export = (_scores(subject, count) for count in counts)
    return row


def _add_difference(
    exact: Exact, row: Row, inputs: Inputs, expected: dict[str, Tensor], got: dict[str, Tensor]
) -> None:
    """Count how far tensors of a batch are apart, and if it is far, whether rounding explains it."""
    found = difference(exact.subject, expected, got, expected)
    if found > TENSOR_LIMIT and (row.difference <= TENSOR_LIMIT or row.rounded):
        # A network in float64 is slow: one batch that is wrong is enough.
        row.rounding = exact.rounding(inputs.arguments, expected, got)
    row.difference = max(row.difference, found)


def _predictions(
    subject: Subject,
    batch: Sequence[Item],
    expected: dict[str, Tensor],
    got: dict[str, Tensor],
    read: Sequence[str] | None,
) -> list[tuple[Item, Any, Any]]:
    """Return each item of a batch with the predictions of the checkpoint and the export."""
    if not subject.reads:
        truths = [item.truth for item in batch]
        both = (
            [decode(subject.model, o, t) for o, t in zip(images_of(outputs, truths), truths, strict=True)]
            for outputs in (expected, got)
        )
        return list(zip(batch, *both, strict=True))
    if read is None:
        theirs = subject.model.decode(got)
    else:
        theirs = [Recognition(text, np.ones(len(text), np.float32), 1.0) for text in read]
    return list(zip(batch, subject.model.decode(expected), theirs, strict=True))


def _own(
    subject: Subject, engine: Engine, found: Sequence[Item], metrics: MetricCollection
) -> dict[str, float] | None:
    """Return the scores of the regions that the software itself finds, or None."""
    count = metrics.copy()
    for item in found:
        inputs = stack(subject, [item], engine)
        regions = engine.find(_image(inputs))
        if regions is None:
            return None
        fx, fy = item.truth.scale
        regions.polygons = [polygon / np.array([fx, fy], np.float32) for polygon in regions.polygons]
        count.update(regions, item.truth)
    return _scores(subject, count)


def _image(inputs: Inputs) -> Image:
    return np.ascontiguousarray(inputs.images[0].permute(1, 2, 0).numpy())


def _scores(subject: Subject, counted: MetricCollection) -> dict[str, float]:
    scores = counted.compute()
    return {name: scores[name] for name in SCORES[subject.reads] if name in scores}
