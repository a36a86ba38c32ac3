"""Training and scoring of recognizers, for every model alike."""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from ocr_trainer.checkpoint.published import open_initial
from ocr_trainer.data.split import Subset
from ocr_trainer.data.types import Batch, Image, Recognition, TextGroundTruth
from ocr_trainer.errors import ConfigError, DataError
from ocr_trainer.metrics.base import Metric
from ocr_trainer.metrics.recognition import Text
from ocr_trainer.plugin import Context, SkippedItem
from ocr_trainer.runs.run_dir import is_rank_zero
from ocr_trainer.tasks.base import LearningTask
from ocr_trainer.tasks.recognition import coverage, data, fitting
from ocr_trainer.tasks.recognition.charset import choose, initial_charset, named, remap_charset_rows
from ocr_trainer.tasks.recognition.config import RecognitionConfig, Unknown
from ocr_trainer.tasks.recognition.recognizer import Recognizer
from ocr_trainer.tasks.recognition.tokenizer import encodable, make_tokenizer, to_json
from ocr_trainer_runtime.text.visible import echo

if TYPE_CHECKING:
    from ocr_trainer.data.split import Splits

NEAR_ZERO = 0.02
"""A 1-NED below this is explained to the user."""


class RecognitionTask(LearningTask[RecognitionConfig]):
    """Trains a recognizer and scores it by words and by characters."""

    model_type = Recognizer
    image_key = "readings"
    headline = ("word_accuracy", "word_accuracy_alphanumeric", "cer", "wer", "jamo_error_rate", "ned_mean")
    lost_message = "texts cannot be learned"
    no_text_hint = "are their characters in the charset, and are the texts short enough for their images?"
    lost_kinds = frozenset({"image", "label"})
    training_loader = staticmethod(data.training_loader)
    scoring_loader = staticmethod(data.scoring_loader)

    @classmethod
    def prepare(
        cls, run: RecognitionConfig, context: Context, splits: Splits
    ) -> tuple[RecognitionConfig, Context, Splits]:
        """Choose the charset, report characters that it lacks, and leave out texts that cannot be used.

        Raises:
            ConfigError: No charset is configured, and the dataset does not list its texts.
            DataError: Training texts have characters that the charset lacks and `charset.unknown` is `error`,
                or too many texts cannot be used.
        """
        from ocr_trainer.data.open import refuse_unusable

        # Without a test split, test is val: survey it once, and keep the two the same object.
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
            texts = coverage.usable_texts(splits.train.texts, surveys["train"]) if known else ()
            charset, tokenizer = _with_tokenizer(run, charset, texts)
            kept = replace(
                run.charset, characters=charset, tokenizer=tokenizer, names=[], file=None, from_data=False
            )
            run = replace(run, charset=kept)
            context = replace(context, **run.context())
            if not known:
                lacking = set(of_data) - set(charset)
                entries = coverage.check_possible_characters(lacking, kept.unknown, kept.replacement)
                splits = replace(splits, report={**splits.report, **entries})
        for name, survey in surveys.items():
            splits = _covered(name, survey, run, context, splits)
        refuse_unusable(context.data_report, run)
        return run, context, replace(splits, test=splits.val) if same else splits

    @classmethod
    def check_fit(cls, model: Recognizer, run: RecognitionConfig, splits: Splits) -> None:
        """Refuse training texts that the model cannot learn from their images, and report a few of them.

        Raises:
            DataError: There are more of them than `data.max_skipped` allows.
        """
        fitter = fitting.TextFitter(model, run)
        report = fitting.check_split(splits.train, fitter, run.model.name, run.data.check_images)
        # Of a sample of the texts, a single one is not enough to refuse them all.
        chance = report.checked < len(splits.train) and len(report.misfits) == 1
        if report.too_many(run.data.max_skipped) and not chance:
            raise DataError(report.refusal(run.data.max_skipped))
        if is_rank_zero():
            for said in (f"{report}\n  they are left out" if report.misfits else None, report.note):
                if said:
                    echo(f"ocr-train: {said}", file=sys.stderr)

    @classmethod
    def fit_checker(
        cls,
        run: RecognitionConfig,
        context: Context,
        splits: Splits,
        build: Callable[[RecognitionConfig, Context], Any],
    ) -> fitting.TextFitChecker | None:
        """Return what checks the training texts for `check-data`."""
        if splits.train is None:
            return None
        run, context, _ = cls.prepare(run, context, splits)
        fitter = fitting.TextFitter(build(run, context), run)
        return fitting.TextFitChecker(fitter, run.model.name, run.data.max_skipped)

    @staticmethod
    def adapt_weights(weights: dict[str, Tensor], model: Any, saved: Mapping[str, Any]) -> dict[str, Tensor]:
        """Return the tensors with a row per character, their rows remapped to this model's charset."""
        old = saved.get("charset", {}).get("characters", "")
        rows = model.character_rows() if model.tokenizer is None else {}
        return dict(remap_charset_rows(weights, model.state_dict(), rows, old, model.charset))

    @staticmethod
    def memory_hints(run: RecognitionConfig, training: bool) -> Iterator[tuple[str, bool]]:
        """Suggest drawing fewer batches together."""
        if (batches := run.data.bucket_batches) > 1:
            yield f"data.bucket_batches={batches // 2} (batches that are drawn together)", True

    def skip_key(self, entry: SkippedItem) -> Hashable:
        """Return the key of the sample, which has one text. The reason differs with each augmentation."""
        return entry.what, entry.file, entry.line

    def loss_parts(self, batch: Batch) -> dict[str, Tensor]:
        """Run the model on a batch and return the parts of its loss."""
        parts: dict[str, Tensor] = self.model.loss(self.model(batch.images, batch.widths), batch.targets)
        return parts

    def check_batch(self, batch: Batch) -> None:
        """Refuse image widths that are not a multiple of the network's stride, and codes out of range."""
        width, tokenizer = batch.images.shape[-1], self.model.tokenizer
        if width % self.model.stride:
            raise DataError(f"images {width} pixels wide: the model needs multiples of {self.model.stride}")
        if tokenizer is not None and (highest := int(batch.targets["codes"].max())) >= len(tokenizer):
            raise DataError(f"the model's tokenizer gives the code {highest}, but has {len(tokenizer)} codes")

    def reset_scores(self) -> None:
        """Start new counts."""
        self.metrics = self.uncounted.copy()
        self.to_draw: list[tuple[Image, TextGroundTruth, Recognition]] = []

    def score_batch(self, batch: Batch) -> None:
        """Recognize the images and compare the texts with the ground truth."""
        assert batch.widths is not None
        recognitions = self.model.decode(self.model(batch.images, batch.widths))
        # Evenly spread over the batch: its images are sorted by width, and the first ones would look alike.
        missing = max(1, self.num_images_to_log - len(self.to_draw))
        chosen = set(np.linspace(0, len(recognitions) - 1, missing).round().astype(int))
        for place, (truth, reading) in enumerate(zip(batch.ground_truths, recognitions, strict=True)):
            self.metrics.update(reading, truth)
            if place in chosen and len(self.to_draw) < self.num_images_to_log:
                pixels = batch.images[place, :, :, : int(batch.widths[place])]
                image = np.ascontiguousarray(pixels.permute(1, 2, 0).cpu().numpy())
                self.to_draw.append((image, truth, reading))

    def score(self, split: str) -> dict[str, float]:
        """Return the scores of all recognized texts."""
        scores = self.compute(self.metrics)
        self.diagnosis = _diagnose(self.metrics.get("text"))
        self.images = [
            (_draw(image, truth, reading), f"{truth.source}: {reading.text}")
            for image, truth, reading in self.to_draw
        ]
        return scores

    def highlights(self) -> dict[str, str]:
        """Return the most frequent confusions, on one line."""
        confusions = (self.details() or {}).get("confusions", ())[:8]
        line = ", ".join(f"{c['truth'] or '∅'}→{c['read'] or '∅'} {c['count']}" for c in confusions)
        return {"confusions": line} if line else {}


def _with_tokenizer(run: RecognitionConfig, charset: str, texts: Iterable[str]) -> tuple[str, str]:
    """Return the characters of a charset that the model's tokenizer can encode, and its state as JSON.

    Raises:
        ConfigError: It cannot encode the replacement for unknown characters.
    """
    tokenizer = make_tokenizer(run, charset, texts)
    if tokenizer is None:
        return charset, ""
    known = encodable(tokenizer, charset)
    if run.charset.unknown is Unknown.replace and run.charset.replacement not in known:
        raise ConfigError(
            f"charset.replacement={named(run.charset.replacement)} cannot be encoded by the tokenizer of "
            f"model={run.model.name}: choose a character that can, or charset.unknown=skip"
        )
    if lost := [character for character in charset if character not in known]:
        listed = ", ".join(map(named, lost[: coverage.SHOWN]))
        more = f" and {len(lost) - coverage.SHOWN} more" if len(lost) > coverage.SHOWN else ""
        if is_rank_zero():
            echo(f"the tokenizer of model={run.model.name} lacks {listed}{more}", file=sys.stderr)
    return known, to_json(run, tokenizer)


def _characters(dataset: Any) -> str:
    """Return all characters that a dataset can produce if it generates its texts."""
    return str(getattr(dataset, "characters", ""))


def _charset_before(run: RecognitionConfig) -> str:
    """Return the characters that the initial weights know: of `init_from`, or those that are published."""
    if run.init_from.path is None:
        return initial_charset(run)
    saved = open_initial(run.init_from.path, run.model.name).config
    return str(saved.get("charset", {}).get("characters", ""))


def _covered(
    name: str, survey: coverage.Survey, run: RecognitionConfig, context: Context, splits: Splits
) -> Splits:
    """Report the characters of a split that the charset lacks, and leave out texts that cannot be used."""
    split, unknown = getattr(splits, name), run.charset.unknown
    found = coverage.cover(name, split, survey, context.charset)
    if name != "train":
        # No text is left out, or the scores of different charsets would not be comparable.
        unknown = Unknown.replace
        found.decision = "they count as errors" if found.lacking else ""
    else:
        coverage.decide(found, unknown, run.charset.replacement)
    if found.unknown and is_rank_zero():
        echo(found, file=sys.stderr)
    indices = coverage.usable(found, unknown, split, context.data_report)
    report = {**splits.report, "coverage": [*splits.report.get("coverage", ()), found.to_dict()]}
    usable = split if indices is None else Subset(split, indices)
    if not len(usable):
        raise DataError(f"the {name} split of dataset={run.dataset.name} has no text that can be used")
    changes: dict[str, Any] = {"report": report, name: usable}
    return replace(splits, **changes)


def _diagnose(metric: Metric | None) -> str | None:
    """Return why almost no text is recognized correctly, or None if 1-NED is at least `NEAR_ZERO`."""
    if not isinstance(metric, Text):
        return None
    tally, empty = metric.tally, metric.empty
    if not tally.texts:
        return "none of the images could be read"
    if tally.scores()["ned_mean"] >= NEAR_ZERO:
        return None
    if empty > tally.texts / 2:
        return (
            f"{empty} of {tally.texts} readings are empty: usual in the first epochs of a CTC model; later, "
            "lower the learning rate, or run `ocr-train overfit` to see whether the model can learn at all"
        )
    return "almost no text is read correctly: usual in the first epochs; later, look at the images"


def _draw(image: Image, truth: TextGroundTruth, reading: Recognition) -> Image:
    from ocr_trainer.tasks.recognition.draw import draw_recognition

    return draw_recognition(image, truth.text, reading.text)
