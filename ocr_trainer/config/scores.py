"""The scores that a run will have, by the metrics that it chooses, before any of them is imported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from ocr_trainer.config.schema import RunConfig
from ocr_trainer.errors import PluginError, did_you_mean
from ocr_trainer.plugin import Config, Kind, MetricPlugin, Task, discovery


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


def score_errors(run: RunConfig, task: Task) -> Iterator[str]:
    """Yield why the metrics of a run do not fit its task or each other, and why it cannot be monitored."""
    wanted = run.checkpoint.monitor
    if not run.metric and wanted is None:
        return  # what every run of the task has fits
    owners: dict[str, str] = {}
    for metric in chosen_metrics(run):
        name = metric.name
        if task not in metric.plugin.tasks:
            scored = " and ".join(task.value for task in metric.plugin.tasks)
            fitting = ", ".join(metrics_for(task)) or "none"
            yield (
                f"model={run.model.name} does {task.value}, but metric={name} scores {scored}"
                f"\n      metrics that score {task.value}: {fitting}"
            )
            continue
        for score in metric.scores():
            if owners.setdefault(score, name) != name:
                yield f"metric={owners[score]} and metric={name} both have a score '{score}': use one of them"
    if wanted is not None and wanted not in owners:
        yield (
            f"checkpoint.monitor={wanted}: there is no such score.{did_you_mean(wanted, owners)}"
            f"\n      scores of this run: {', '.join(owners)}"
        )


def metrics_for(task: Task) -> list[str]:
    """Return the names of the installed metrics that score a task; broken plugins are left out."""
    found = []
    for name in discovery.names(Kind.metric):
        with suppress(PluginError):
            plugin = discovery.load(Kind.metric, name)
            if isinstance(plugin, MetricPlugin) and task in plugin.tasks:
                found.append(name)
    return found
