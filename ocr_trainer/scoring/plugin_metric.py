"""Score what files hold by the metric of a plugin."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ocr_trainer.config.scores import ChosenMetric
from ocr_trainer.data.types import Detections, GroundTruth, Recognition, TextGroundTruth
from ocr_trainer.metrics.build import build_metric
from ocr_trainer.plugin import Context, Kind, MetricPlugin, discovery
from ocr_trainer.scoring.options import ScoreOptions
from ocr_trainer.scoring.submission import Page


def compute(options: ScoreOptions, samples: Iterable[tuple[Any, Any]]) -> dict[str, float]:
    """Return the scores of samples, each given as (prediction, target), by name.

    Raises:
        ConfigError: An option of the metric does not exist or has an invalid value.
        PluginError: The metric's plugin cannot be used, or the metric fails.
    """
    plugin = discovery.load(Kind.metric, options.metric)
    assert isinstance(plugin, MetricPlugin)
    config = plugin.config(name=options.metric)
    if options.metric_options:
        from ocr_trainer.config.plugin_options import plugin_config  # needs Hydra

        config = plugin_config(Kind.metric, options.metric, options.metric_options)
    metric = build_metric(ChosenMetric(options.metric, config, plugin, ""), Context(task=plugin.tasks[0]))
    for prediction, target in samples:
        metric.update(prediction, target)
    scores = metric.compute()
    if metric.failure is not None:
        raise discovery.broken(discovery.find(Kind.metric, options.metric), metric.failure)
    return scores


def page_sample(truth: Page, found: Page, ignore: list[bool]) -> tuple[Detections, GroundTruth]:
    """Return the detections and the ground truth of an image. Its size is unknown: that of the outlines."""
    confidences = np.array(found.confidences, dtype=np.float32)
    points = np.concatenate([np.zeros((1, 2)), *truth.polygons, *found.polygons])
    width, height = np.ceil(points.max(axis=0)).astype(int).tolist()
    target = GroundTruth(
        truth.polygons, truth.texts, np.array(ignore, dtype=bool), truth.file, (height, width), (1.0, 1.0)
    )
    return Detections(found.polygons, confidences), target


def text_sample(text: str, read: str) -> tuple[Recognition, TextGroundTruth]:
    """Return the prediction and the ground truth of a text."""
    return Recognition(read, np.ones(len(read), dtype=np.float32), 1.0), TextGroundTruth(text, "")
