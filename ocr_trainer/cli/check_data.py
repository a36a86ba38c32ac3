"""`ocr-train check-data`: compose the run, and choose a model if none is named."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from ocr_trainer.errors import ConfigError, PluginError
from ocr_trainer.plugin import DatasetPlugin, Kind, ModelPlugin, Task, discovery

if TYPE_CHECKING:
    from ocr_trainer.config.schema import RunConfig


def check_data(words: Sequence[str]) -> int:
    """Read every sample of a dataset and print those that cannot be used.

    Raises:
        DataError: More samples are unusable than a run allows, or a split is empty.
    """
    parser = ArgumentParser("ocr-train check-data", description="Read every sample and list what is broken.")
    parser.add_argument("overrides", nargs="*", help="as for a run; model=… is optional")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_intermixed_args(words)
    run = _composed(arguments.overrides)
    from ocr_trainer.evaluation.check_data import check_data as check

    check(run, arguments.json)
    return 0


def _composed(overrides: Sequence[str]) -> RunConfig:
    """Compose the run; without a model, choose one for a task that the dataset supports."""
    from ocr_trainer.config.compose import compose

    keys = {word.partition("=")[0] for word in overrides}
    models = [] if keys & {"model", "experiment"} else list(_models(overrides))
    for model in models[:-1]:
        # The parts of a combined dataset, such as concat, may support fewer tasks than it does.
        with suppress(ConfigError):
            return compose([f"model={model}", *overrides])
    return compose([*(f"model={model}" for model in models[-1:]), *overrides])


def _models(overrides: Sequence[str]) -> Iterator[str]:
    """Return an installed model for each task that the dataset supports."""
    chosen = [word.partition("=")[2] for word in overrides if word.startswith("dataset=")]
    dataset = discovery.load(Kind.dataset, chosen[-1]) if chosen else None
    known = [Task(name) for name in discovery.names(Kind.task)]
    tasks = dataset.tasks if isinstance(dataset, DatasetPlugin) else known
    models = {}
    for name in reversed(discovery.names(Kind.model)):
        with suppress(PluginError):
            description = discovery.load(Kind.model, name)
            assert isinstance(description, ModelPlugin)
            models[description.task] = name
    return (models[task] for task in known if task in tasks and task in models)
