"""The scores that a run will have, by the metrics that it chooses, before any of them is imported."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ocr_trainer.config.schema import RunConfig
from ocr_trainer.errors import did_you_mean
from ocr_trainer.plugin import Config, Kind, MetricPlugin, discovery


@dataclass(frozen=True)
class Monitor:
    """The score that chooses the best checkpoint."""

    name: str
    lower_is_better: bool = False

    @property
    def key(self) -> str:
        """Its name in logs and reports, where it is a score of the val split."""
        return f"val/{self.name}"

    @property
    def mode(self) -> str:
        """The mode of Lightning's callbacks: min or max."""
        return "min" if self.lower_is_better else "max"

    def improves(self, score: float, best: float | None) -> bool:
        """Return whether a score is better than the best one so far; on a tie, it is not."""
        return best is None or (score < best if self.lower_is_better else score > best)


@dataclass(frozen=True)
class ChosenMetric:
    """A metric of a run."""

    name: str
    """The name of the plugin, without that of its distribution."""
    config: Config
    plugin: MetricPlugin
    prefix: str
    """What the names of its scores begin with; empty for the task's main metric."""

    def scores(self) -> dict[str, bool]:
        """Return the names of its scores in the run, and whether lower is better."""
        return {self.prefix + name: name in self.plugin.lower_is_better for name in self.plugin.scores}


def chosen_metrics(run: RunConfig) -> Iterator[ChosenMetric]:
    """Yield the metrics of a run: those of its task, the main one first, then those that it adds."""
    for name in dict.fromkeys((*run.METRICS, *run.metric)):
        chosen = run.metric.get(name)
        plugin = discovery.load(Kind.metric, chosen.name if chosen is not None else name)
        assert isinstance(plugin, MetricPlugin)
        prefix = "" if run.METRICS[:1] == (name,) else f"{name}_"
        yield ChosenMetric(name, chosen or plugin.config(name=name), plugin, prefix)


def monitor_of(run: RunConfig) -> Monitor:
    """Return what `checkpoint.monitor` names, or the score that the task chooses by itself."""
    name = run.checkpoint.monitor or run.MONITOR
    lower = {score: lower for metric in chosen_metrics(run) for score, lower in metric.scores().items()}
    return Monitor(name, lower.get(name, False))


def score_errors(run: RunConfig) -> Iterator[str]:
    """Yield why the scores of a run cannot be told apart, or cannot be monitored."""
    wanted = run.checkpoint.monitor
    if not run.metric and wanted is None:
        return  # the scores of a task by itself are all right, and start-up costs nothing
    owners: dict[str, str] = {}
    for metric in chosen_metrics(run):
        for score in metric.scores():
            owner = owners.setdefault(score, metric.name)
            if owner != metric.name:
                yield f"metric={owner} and metric={metric.name} both have a score '{score}': use one of them"
    known = dict.fromkeys((*owners, run.MONITOR))  # a task may compute its score without a metric
    if wanted is not None and wanted not in known:
        yield (
            f"checkpoint.monitor={wanted}: there is no such score.{did_you_mean(wanted, known)}"
            f"\n      scores of this run: {', '.join(known)}"
        )
