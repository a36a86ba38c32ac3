"""Training and scoring a recognizer, the same for every model."""

from __future__ import annotations

import sys
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from ocr_trainer.checkpoint.read import read
from ocr_trainer.data.loader import all_reduce_sum
from ocr_trainer.data.split import Subset
from ocr_trainer.data.types import Batch, Image, Recognition, TextGroundTruth
from ocr_trainer.errors import DataError
from ocr_trainer.plugin import Context, SkippedItem
from ocr_trainer.runs.run_dir import is_rank_zero
from ocr_trainer.tasks.base import LearningTask
from ocr_trainer.tasks.recognition import coverage, data
from ocr_trainer.tasks.recognition.charset import choose, remap_charset_rows
from ocr_trainer.tasks.recognition.config import RecognitionConfig, Unknown
from ocr_trainer.tasks.recognition.recognizer import Recognizer

if TYPE_CHECKING:
    from ocr_trainer.data.split import Splits
    from ocr_trainer.metrics.text import TextTally

NEAR_ZERO = 0.02
"""A 1-NED below this asks for an explanation."""


class RecognitionTask(LearningTask[RecognitionConfig]):
    """Trains a recognizer and scores what it reads by words and by characters."""

    monitor = "val/ned_mean"
    model_type = Recognizer
    found = "readings"
    headline = ("word_accuracy", "word_accuracy_alphanumeric", "cer", "wer", "jamo_error_rate", "ned_mean")
    losses = "texts cannot be learned"
    without_text = "are the texts of characters of the charset, and short enough for their images?"
    counted = frozenset({"image", "label"})
    training_loader = staticmethod(data.training_loader)
    scoring_loader = staticmethod(data.scoring_loader)

    tally: TextTally | None = None
    """What the latest scores were made of."""

    @classmethod
    def prepare(
        cls, run: RecognitionConfig, context: Context, splits: Splits
    ) -> tuple[RecognitionConfig, Context, Splits]:
        """Choose the charset, tell what the data has beyond it, and leave out what cannot be learned.

        Raises:
            ConfigError: No charset is given, and the data tells none.
            DataError: Training texts have characters that the charset lacks, and none may; or too many
                texts cannot be used.
        """
        from ocr_trainer.data.open import refuse_unusable

        same = splits.test is splits.val
        surveys = {
            name: coverage.survey(split.texts)
            for name in ("train", "val", *([] if same else ["test"]))
            if getattr(split := getattr(splits, name), "texts", None) is not None
        }
        if splits.train is not None:
            known = "train" in surveys
            of_data = "".join(surveys["train"].characters) if known else _characters(splits.dataset)
            charset = choose(run.charset, of_data, _charset_before(run))
            kept = replace(run.charset, characters=charset, names=[], file=None, from_data=False)
            run, context = replace(run, charset=kept), replace(context, charset=charset)
            if not known:
                told = coverage.foresee(set(of_data) - set(charset), kept.unknown, kept.replacement)
                splits = replace(splits, report={**splits.report, **told})
        for name, survey in surveys.items():
            splits = _covered(name, survey, run, context, splits)
        refuse_unusable(context.data_report, run)
        return run, context, replace(splits, test=splits.val) if same else splits

    @staticmethod
    def adapt_weights(found: dict[str, Tensor], model: Any, saved: Mapping[str, Any]) -> dict[str, Tensor]:
        """Return the tensors with a row per character, rows moved to where the charset has them now."""
        old = saved.get("charset", {}).get("characters", "")
        return dict(remap_charset_rows(found, model.state_dict(), model.character_rows(), old, model.charset))

    @staticmethod
    def memory_hints(run: RecognitionConfig, training: bool) -> Iterator[tuple[str, bool]]:
        """Suggest to draw fewer batches together."""
        if (batches := run.data.bucket_batches) > 1:
            yield f"data.bucket_batches={batches // 2} (batches that are drawn together)", True

    def identity(self, entry: SkippedItem) -> Hashable:
        """Return the sample: its text is one, and why it cannot be learned goes by how it was augmented."""
        return entry.what, entry.file, entry.line

    def loss_parts(self, batch: Batch) -> dict[str, Tensor]:
        """Run the model on a batch and return the parts of its loss."""
        parts: dict[str, Tensor] = self.model.loss(self.model(batch.images, batch.widths), batch.targets)
        return parts

    def check_batch(self, batch: Batch) -> None:
        """Refuse widths that the network cannot take."""
        width = batch.images.shape[-1]
        if width % self.model.stride:
            raise DataError(f"images {width} pixels wide: the model needs multiples of {self.model.stride}")

    def begin(self) -> None:
        """Begin the scores anew."""
        from ocr_trainer.metrics.text import TextTally

        self.tally, self.empty = TextTally(), 0
        self.shown: list[tuple[Image, TextGroundTruth, Recognition]] = []

    def score_batch(self, batch: Batch) -> None:
        """Read the images, and compare what was read with what is there."""
        recognitions = self.model.decode(self.model(batch.images, batch.widths))
        # Spread over the first batches, whose images are of like width.
        shown = set(
            np.linspace(0, len(recognitions) - 1, max(1, self.wanted - len(self.shown))).round().astype(int)
        )
        for place, (truth, reading) in enumerate(zip(batch.ground_truths, recognitions, strict=True)):
            self.tally.add(truth.text, reading.text)
            self.empty += not reading.text
            if place in shown and len(self.shown) < self.wanted:
                pixels = batch.images[place, :, :, : int(batch.widths[place])]  # type: ignore[index]
                image = np.ascontiguousarray(pixels.permute(1, 2, 0).cpu().numpy())
                self.shown.append((image, truth, reading))

    def score(self, split: str) -> dict[str, float]:
        """Return the scores of all that was read."""
        self.tally, self.empty = all_reduce_sum(self.tally), int(all_reduce_sum(np.array(self.empty)))
        scores = self.tally.scores()
        self.diagnosis = _diagnose(self.tally.texts, self.empty, scores["ned_mean"])
        self.pictures = [
            (_picture(image, truth, reading), f"{truth.source}: {reading.text}")
            for image, truth, reading in self.shown
        ]
        return scores

    def details(self) -> dict[str, Any] | None:
        """Return the scores by length and by character, and what is taken for what."""
        return self.tally.details() if self.tally is not None else None

    def highlights(self) -> dict[str, str]:
        """Return the commonest confusions in a row."""
        confusions = (self.details() or {}).get("confusions", ())[:8]
        told = ", ".join(f"{c['truth'] or '∅'}→{c['read'] or '∅'} {c['count']}" for c in confusions)
        return {"confusions": told} if told else {}


def _characters(dataset: Any) -> str:
    """Return all characters that a dataset can produce whose texts are not known beforehand."""
    return str(getattr(dataset, "characters", ""))


def _charset_before(run: RecognitionConfig) -> str:
    """Return the charset of the checkpoint that the model begins with, if there is one."""
    if run.init_from is None:
        return ""
    saved: str = read(run.init_from)["ocr_trainer"]["config"].get("charset", {}).get("characters", "")
    return saved


def _covered(
    name: str, survey: coverage.Survey, run: RecognitionConfig, context: Context, splits: Splits
) -> Splits:
    """Tell what of a split the charset lacks, and leave out what cannot be used."""
    split, unknown = getattr(splits, name), run.charset.unknown
    found = coverage.cover(name, split, survey, context.charset)
    if name != "train":
        unknown = Unknown.replace  # none is left out: what cannot be read counts as misread
        found.decision = "they count as misread" if found.lacking else ""
    else:
        coverage.decide(found, unknown, run.charset.replacement)
    if found.unknown and is_rank_zero():
        print(found, file=sys.stderr)
    places = coverage.usable(found, unknown, split, context.data_report)
    told = {**splits.report, "coverage": [*splits.report.get("coverage", ()), found.to_dict()]}
    chosen = split if places is None else Subset(split, places)
    if not len(chosen):
        raise DataError(f"the {name} split of dataset={run.dataset.name} has no text that can be used")
    return replace(splits, report=told, **{name: chosen})


def _diagnose(texts: int, empty: int, ned: float) -> str | None:
    """Say why hardly anything is read right, or nothing if enough is."""
    if not texts:
        return "none of the images could be read"
    if ned >= NEAR_ZERO:
        return None
    if empty > texts / 2:
        return (
            f"{empty} of {texts} readings are empty: usual in the first epochs of a CTC model; later, "
            "lower the learning rate, or see with `ocr-train overfit` whether it can learn at all"
        )
    return "next to nothing is read right: usual in the first epochs; later, look at the pictures"


def _picture(image: Image, truth: TextGroundTruth, reading: Recognition) -> Image:
    from ocr_trainer.tasks.recognition.draw import draw_recognition

    return draw_recognition(image, truth.text, reading.text)


TASK = RecognitionTask
"""What `ocr_trainer.tasks.base.task_class` looks for in the module of a task."""
