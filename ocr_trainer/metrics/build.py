"""Build the metrics of a run."""

from __future__ import annotations

from ocr_trainer.config.schema import RunConfig
from ocr_trainer.config.scores import ChosenMetric, chosen_metrics
from ocr_trainer.errors import OcrTrainerError
from ocr_trainer.metrics.collection import MetricCollection, SafeMetric
from ocr_trainer.plugin import Context, Kind, discovery
from ocr_trainer.plugin.build import build
from ocr_trainer.plugin.contract import describe_exception


def build_metrics(run: RunConfig, context: Context) -> MetricCollection:
    """Return the metrics of a run: those of its task, the main one first, then those that it adds.

    Raises:
        PluginError: The plugin of a metric cannot be used.
    """
    return MetricCollection({m.name: build_metric(m, context) for m in chosen_metrics(run)})


def build_metric(chosen: ChosenMetric, context: Context) -> SafeMetric:
    """Return a metric that has counted nothing.

    Raises:
        PluginError: Its plugin cannot be used.
    """
    plugin = discovery.find(Kind.metric, chosen.config.name)
    try:
        metric = build(Kind.metric, chosen.config, context)
    except OcrTrainerError:
        raise
    except Exception as error:  # a factory may raise any type
        raise discovery.broken(plugin, f"its factory failed with {describe_exception(error)}") from error
    title = f"the metric '{plugin.name}' ({plugin.distribution} {plugin.version})"
    return SafeMetric(metric, chosen.plugin.scores, chosen.prefix, title)
