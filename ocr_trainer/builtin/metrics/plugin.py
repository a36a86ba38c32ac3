"""Descriptions of the built-in metrics."""

from __future__ import annotations

from dataclasses import dataclass

from ocr_trainer.plugin import Config, MetricPlugin, Task, option

RATES = ("precision", "recall", "hmean")


@dataclass
class IcdarConfig(Config):
    """The score of the ICDAR 2015 challenge (Karatzas et al. 2015)."""


icdar = MetricPlugin(
    api=1,
    summary="detections that match one text each at an IoU above 0.5",
    config=IcdarConfig,
    factory="ocr_trainer.builtin.metrics.factories:icdar",
    tasks=(Task.detection,),
    scores=RATES,
)


@dataclass
class ClevalConfig(Config):
    """CLEval (Baek et al. 2020)."""


cleval = MetricPlugin(
    api=1,
    summary="characters that detections hold; cuts and merges cost little",
    config=ClevalConfig,
    factory="ocr_trainer.builtin.metrics.factories:cleval",
    tasks=(Task.detection,),
    scores=RATES,
)


@dataclass
class DetEvalConfig(Config):
    """DetEval (Wolf and Jolion 2006); the defaults are the rules of the ICDAR 2013 challenge."""

    recall: float = option(0.8, above=0, at_most=1)
    """Share of a text's area that must be detected (tr); 0.7 for Total-Text."""
    precision: float = option(0.4, above=0, at_most=1)
    """Share of a detection's area that must be text (tp); 0.6 for Total-Text."""
    split: float = option(0.8, at_least=0, at_most=1)
    """What a text counts for that several detections find, and each of these."""
    merge: float = option(1.0, at_least=0, at_most=1)
    """What a detection counts for that finds several texts, and each of these; 0.8 for Total-Text."""


deteval = MetricPlugin(
    api=1,
    summary="DetEval: one detection for one text, several for one, or one for several",
    config=DetEvalConfig,
    factory="ocr_trainer.builtin.metrics.factories:deteval",
    tasks=(Task.detection,),
    scores=RATES,
)


@dataclass
class TiouConfig(Config):
    """Tightness-aware IoU (Liu et al. 2019)."""


tiou = MetricPlugin(
    api=1,
    summary="TIoU: matches count less if they cut a text or take in another",
    config=TiouConfig,
    factory="ocr_trainer.builtin.metrics.factories:tiou",
    tasks=(Task.detection,),
    scores=RATES,
)


@dataclass
class TextConfig(Config):
    """Word accuracies, error rates and edit distances of recognized texts."""


text = MetricPlugin(
    api=1,
    summary="word accuracies, error rates and edit distances of recognized texts",
    config=TextConfig,
    factory="ocr_trainer.builtin.metrics.factories:text",
    tasks=(Task.recognition,),
    scores=(
        *("word_accuracy", "word_accuracy_ignore_case", "word_accuracy_alphanumeric", "cer", "wer"),
        *("ned_icdar2019", "ned_mean", "char_recall", "char_precision", "jamo_error_rate"),
    ),
    lower_is_better=("cer", "wer", "jamo_error_rate"),
)
