"""`ocr-train test DET.ckpt --recognizer REC.ckpt`: score a detector and a recognizer together.

CLEval's end-to-end score counts the characters that are found and read. Word accuracy counts whole texts: a
ground truth is correct if the detection that ICDAR's protocol matches it with, at an IoU above 0.5, reads
exactly its text. Both compare normalized texts (`normalize.clean`), so a label in another Unicode normal form
is not an error. A ground truth whose text is unknown (empty or unusable) is left out of word accuracy and is
"don't care" in CLEval's end-to-end score.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ocr_trainer.config.context import run_context
from ocr_trainer.config.schema import RunConfig
from ocr_trainer.data.open import open_test
from ocr_trainer.data.split import unreadable
from ocr_trainer.data.types import Detections, Image, Recognition, Sample, Scored
from ocr_trainer.engine import build, report
from ocr_trainer.engine.callbacks.bar import progress
from ocr_trainer.engine.scored_on import same_data, scored_on
from ocr_trainer.engine.startup import after_imports, print_notes
from ocr_trainer.errors import DataError
from ocr_trainer.evaluation.pipeline import open_pipeline
from ocr_trainer.metrics import cleval, icdar
from ocr_trainer.metrics.build import build_metrics
from ocr_trainer.metrics.collection import MetricCollection
from ocr_trainer.plugin import SkippedItem
from ocr_trainer.results import page_of
from ocr_trainer.runs import collector, timing
from ocr_trainer.tasks.base import write_images
from ocr_trainer.tasks.detection.data import prepare_page
from ocr_trainer.text import normalize
from ocr_trainer_runtime.pipeline import Pipeline
from ocr_trainer_runtime.results.draw import draw_page

MAX_SIDE = 1600
"""The maximum side of saved images, in pixels."""


class Checkpoint(NamedTuple):
    """A checkpoint: its path, its run and its content."""

    path: str
    run: RunConfig
    saved: dict[str, Any]


@dataclass(frozen=True)
class EndToEnd:
    """Counts that sum over images."""

    cleval: cleval.Tally = field(default_factory=cleval.Tally)
    texts: int = 0
    """Ground truths whose text is known and that are not "don't care"."""
    exact: int = 0
    """Those that are read exactly."""
    ignore_case: int = 0
    """Those that are read correctly except for case."""

    def __add__(self, other: EndToEnd) -> EndToEnd:
        return EndToEnd(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def scores(self) -> dict[str, float]:
        """Return precision, recall and hmean by CLEval, and the word accuracies."""
        texts = max(1, self.texts)
        return {
            "e2e_cleval_precision": self.cleval.precision,
            "e2e_cleval_recall": self.cleval.recall,
            "e2e_cleval_hmean": self.cleval.hmean,
            "e2e_word_accuracy": self.exact / texts,
            "e2e_word_accuracy_ignore_case": self.ignore_case / texts,
        }


def count_image(sample: Sample, found: Detections, recognitions: Sequence[Recognition]) -> EndToEnd:
    """Return the counts of one image."""
    texts = [_known(text) for text in sample.texts]
    unknown = sample.ignore | np.array([text is None for text in texts], dtype=bool)
    read = [reading.text for reading in recognitions]
    pairs = icdar.match(sample.polygons, sample.ignore, found.polygons).pairs
    matched = [(texts[truth], read[detection]) for truth, detection in pairs]
    return EndToEnd(
        cleval=cleval.evaluate(sample.polygons, texts, unknown, found.polygons, read).end_to_end,
        texts=int(np.count_nonzero(~unknown)),
        exact=sum(text == reading for text, reading in matched if text is not None),
        ignore_case=sum(text.lower() == reading.lower() for text, reading in matched if text is not None),
    )


def _known(text: str) -> str | None:
    """Return a label in normal form, or None if it is empty or unusable."""
    try:
        return normalize.clean(text) or None
    except ValueError:
        return None


def score_end_to_end(
    detector: Checkpoint, recognizer: Checkpoint, margin: float | None, folder: Path, timer: timing.PhaseTimer
) -> dict[str, Any]:
    """Score two checkpoints on the detector's test split, or on val without one, and write report.json.

    This runs on the first GPU, or on the CPU without a GPU or with `trainer.accelerator=cpu`.

    Args:
        detector: The detector. Its run determines the images.
        recognizer: The recognizer.
        margin: The margin to crop around a text, as a share of its height; None for the margin that the
            recognizer was trained with.
        folder: Where to write the report.
        timer: The timer of the process.

    Returns:
        The content of report.json.

    Raises:
        OcrTrainerError: The data or a plugin cannot be used.
    """
    after_imports(timer)
    run = detector.run
    pipeline = open_pipeline(
        (run, detector.saved),
        (recognizer.run, recognizer.saved),
        margin,
        folder,
        device="cpu" if run.trainer.accelerator == "cpu" else None,
    )
    context = run_context(run, folder)
    ours = detector.saved["ocr_trainer"]
    splits = open_test(run, context, same_data(run, ours["config"]))
    print_notes(context.data_report)
    collector.resume()
    timer.end("build")
    scorer = _Scorer(run, build_metrics(run, context))
    scorer.score(splits.test, pipeline)
    timer.end("test")
    scores = {
        f"test/{name}": value for name, value in (scorer.metrics.compute() | scorer.counts.scores()).items()
    }
    for logger in build.build_loggers(run, context):
        logger.log_metrics(scores, step=0)
        logger.finalize("success")
    write_images(folder / "pictures", scorer.images)
    content = {
        "checkpoint": detector.path,
        "recognizer": recognizer.path,
        "margin": pipeline.margin,
        "scores": scores,
        "test_split": splits.test_split,
        "tested_on": scored_on(
            splits.test_split,
            scorer.scored,
            context.data_report.images,
            run,
            ours,
            ours.get("calibration"),
        ),
        "images": scorer.count,
        "texts": scorer.counts.texts,
        "notes": scorer.metrics.failures(),
        "details": scorer.metrics.details(),
        "highlights": {"texts asked for": f"{scorer.counts.texts} in {scorer.count} images"},
        "parameters": sum(p.numel() for model in pipeline.models for p in model.parameters()),
        "skipped": report.skips(context.data_report, scorer.skipped),
        "plugins": [*report.used_plugins(run), report.used_plugins(recognizer.run)[0]],
        "versions": report.versions(),
        "seed": run.seed,
        "device": str(next(pipeline.models[0].parameters()).device),
        "seconds": timer.seconds,
    }
    report.write(folder, content)
    return content


class _Scorer:
    """Scores a split image by image."""

    def __init__(self, run: RunConfig, metrics: MetricCollection) -> None:
        self.run, self.metrics = run, metrics
        self.count = 0
        """The number of images that could be read."""
        self.scored = Scored()
        self.counts = EndToEnd()
        self.skipped: list[SkippedItem] = []
        self.images: list[Image] = []

    def score(self, split: Any, pipeline: Pipeline) -> None:
        """Find and read the texts of each image, and add up the counts."""
        count = self._limit(len(split))
        with progress(count, "testing") as report_progress:
            for sample in self._samples(split, count):
                self._score(sample, pipeline)
                report_progress()

    def _limit(self, images: int) -> int:
        """Return the number of images to score. A float limit is a share, an int a number of batches."""
        limit = self.run.trainer.limit_test_batches
        if limit is None:
            return images
        if isinstance(limit, float):
            return max(1, int(limit * images))
        return min(images, limit * (self.run.data.eval_batch_size or 1))

    def _samples(self, split: Any, count: int) -> Iterator[Sample]:
        for index in range(count):
            try:
                sample = split[index]
            except DataError as error:
                self.skipped.append(unreadable(split, index, error))
                continue
            self.skipped += sample.skipped
            yield sample

    def _score(self, sample: Sample, pipeline: Pipeline) -> None:
        found, recognitions = pipeline(sample.image)
        assert pipeline.detector is not None
        assert recognitions is not None
        _, truth = prepare_page(sample, pipeline.detector, pipeline.tiles)
        self.metrics.update(found, truth)
        self.count += 1
        self.scored += Scored.of(truth)
        self.counts += count_image(sample, found, recognitions)
        if len(self.images) < self.run.data.log_images:
            page = page_of(sample.source, sample.image.shape[:2], found, recognitions)
            self.images.append(draw_page(sample.image, page, max_side=MAX_SIDE))
