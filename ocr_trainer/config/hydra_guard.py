"""Hydra under guard: whatever it composes and resolves, nothing in it makes it import or build anything.

Hydra builds callbacks, logging, launchers and sweepers from the configuration that it has composed. So the
one door through which all of them get theirs, `load_configuration`, is where it is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from hydra import initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from ocr_trainer.config.hydra_source import PRESETS, PluginSource, SearchPath
from ocr_trainer.config.security import (
    check_hydra_options,
    check_overrides,
    code_key_message,
    code_keys,
    environment,
)
from ocr_trainer.config.validate import refuse
from ocr_trainer.internals.hydra import ConfigLoader, Hydra, only_resolvers
from ocr_trainer.plugin import Kind, ModelPlugin, discovery

CONFIGS = "ocr_trainer.configs"
RESOLVERS = ("oc.select", "now", "hydra", "python_version")
"""Beside `oc.env`, ours: they read the configuration itself, the clock, and what Hydra knows of the run.

Not `oc.create` and `oc.decode`, which make sections of texts after those have been looked at; and none that
other code has registered."""


DEPENDS_ON_TASK = ("schema", *(f"{group}/" for group in PRESETS))
"""Configurations that `PluginSource` serves for the task of the chosen model."""
SELECTS_TASK = ("model", "experiment")
"""Config groups on which the task of a run depends."""


class GuardedLoader(ConfigLoader):
    """Hydra's loader, which refuses what names code and selects the schema of the model's task."""

    _sweeps: Mapping[str, list[str]] = {}

    def on_overrides(self, overrides: Sequence[str]) -> None:
        """Refuse overrides that lead to code, before Hydra imports a package that hydra.searchpath names."""
        if faults := list(check_overrides(overrides)):
            refuse(faults)
        PluginSource.select(None)

    def on_parsed(self, sweeps: dict[str, list[str]]) -> None:
        """Keep what is swept."""
        self._sweeps = sweeps

    def on_choices(self, configs: Sequence[str]) -> Sequence[str]:
        """Select the schema and the presets of the chosen model's task."""
        # Hydra leaves out what is swept when it composes for the sweep itself; any of the models will do.
        swept = [f"model/{name}" for name in self._sweeps.get("model", ())]
        for config in (*swept, *reversed(configs)):
            group, _, name = config.partition("/")
            # A preset of the user's, such as model/dbnet_large, is in the list with the plugin it is for.
            if group == "model" and discovery.matching(Kind.model, name):
                description = discovery.load(Kind.model, name)
                assert isinstance(description, ModelPlugin)
                PluginSource.select(description.task, swept=not self._sweeps.keys().isdisjoint(SELECTS_TASK))
                break
        return DEPENDS_ON_TASK

    def load_configuration(self, *arguments: Any, **options: Any) -> DictConfig:
        """Compose a configuration.

        Raises:
            ConfigError: Something in it names code, or is an option of Hydra that leads to code.
        """
        config = super().load_configuration(*arguments, **options)
        content = OmegaConf.to_container(config, resolve=False)
        assert isinstance(content, dict)
        faults = [*check_hydra_options(content.pop("hydra")), *map(code_key_message, code_keys(content))]
        if faults:
            refuse(faults)
        return config


def restricted_resolvers() -> AbstractContextManager[None]:
    """Let interpolations use nothing but `oc.env` under guard and `RESOLVERS`."""
    return only_resolvers(RESOLVERS, oc__env=environment)


@contextmanager
def guarded(given: Path | None = None) -> Iterator[Hydra]:
    """Give Hydra on the core's own configurations and the plugins, under guard.

    Args:
        given: A folder of further configurations, which may come from anybody.
    """
    SearchPath.given = given
    try:
        with (
            initialize_config_module(CONFIGS, job_name="ocr-train", version_base="1.3"),
            restricted_resolvers(),
        ):
            hydra = GlobalHydra.instance().hydra
            assert hydra is not None
            hydra.config_loader = GuardedLoader(hydra.config_loader.get_search_path())
            yield hydra
    finally:
        SearchPath.given = None
