"""Keep Hydra from importing or building anything that a configuration names.

Hydra builds callbacks, logging, launchers and sweepers from the composed configuration. All of them get it
from `load_configuration`, so the checks are there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

from hydra import initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from ocr_trainer.config.content import check_hydra_options, check_overrides, code_key_message, code_keys
from ocr_trainer.config.hydra_source import PRESETS, PluginSource, SearchPath
from ocr_trainer.config.plain_data import check_plain
from ocr_trainer.config.schema import SHORTHANDS
from ocr_trainer.config.security import environment
from ocr_trainer.config.validate import refuse
from ocr_trainer.errors import PluginNotFound
from ocr_trainer.internals.hydra import ConfigLoader, Hydra, only_resolvers, own_instance
from ocr_trainer.plugin import Kind, discovery

CONFIGS = "ocr_trainer.configs"
RESOLVERS = ("oc.select", "now", "hydra", "python_version")
"""Allowed resolvers, besides our `oc.env`: they read the configuration, the clock and Hydra's metadata.

`oc.create` and `oc.decode` are not allowed, because they turn text into sections after the checks; nor are
resolvers that other code has registered."""


DEPENDS_ON_TASK = ("schema", *(f"{group}/" for group in PRESETS))
"""Configurations that `PluginSource` provides for the task of the chosen model."""
SELECTS_TASK = ("model", "experiment")
"""Config groups on which the task of a run depends."""

_LOCK = RLock()
"""Hydra's state is global: one thread composes at a time."""


class GuardedLoader(ConfigLoader):
    """Hydra's config loader with checks: refuses code and selects the schema of the model's task."""

    shorthands = SHORTHANDS
    _sweeps: Mapping[str, list[str]] = {}

    def on_overrides(self, overrides: Sequence[str]) -> None:
        """Refuse overrides that lead to code, before Hydra imports a package that hydra.searchpath names."""
        if errors := list(check_overrides(overrides)):
            refuse(errors)
        PluginSource.select(None)
        PluginSource.overridden = frozenset(override.lstrip("+").partition("=")[0] for override in overrides)

    def on_parsed(self, sweeps: dict[str, list[str]]) -> None:
        """Store the swept overrides."""
        self._sweeps = sweeps

    def on_choices(self, configs: Sequence[str]) -> Sequence[str]:
        """Select the schema and the presets of the chosen model's task."""
        # Hydra omits swept overrides when it composes the sweep itself; any of the models works there.
        swept = [f"model/{name}" for name in self._sweeps.get("model", ())]
        for config in (*swept, *reversed(configs)):
            group, _, name = config.partition("/")
            # A preset of the user's, such as model/dbnet_large, is in the list with the plugin it is for.
            if group == "model" and discovery.matching(Kind.model, name):
                description = discovery.load_model(name)
                swept_task = not self._sweeps.keys().isdisjoint(SELECTS_TASK)
                try:
                    PluginSource.select(description.task, configs, swept_task)
                except PluginNotFound as error:
                    raise PluginNotFound(f"model={name}: {error}") from error
                break
        return DEPENDS_ON_TASK

    def load_configuration(self, config_name: str | None, *arguments: Any, **options: Any) -> DictConfig:
        """Compose a configuration.

        Raises:
            ConfigError: It names code, or sets a Hydra option that can run code.
        """
        config = super().load_configuration(config_name, *arguments, **options)
        if config_name is None:
            return config  # Hydra's own defaults, for --hydra-help
        content = OmegaConf.to_container(config, resolve=False)
        assert isinstance(content, dict)
        hydra = content.pop("hydra")
        check_plain(content, "the configuration")
        errors = [*check_hydra_options(hydra), *map(code_key_message, code_keys(content))]
        if errors:
            refuse(errors)
        return config


def restricted_resolvers() -> AbstractContextManager[None]:
    """Allow only the guarded `oc.env` and `RESOLVERS` in interpolations."""
    return only_resolvers(RESOLVERS, oc__env=environment)


@contextmanager
def guarded(config_dir: Path | None = None) -> Iterator[Hydra]:
    """Yield a guarded Hydra for the built-in configurations and the plugins.

    Args:
        config_dir: Folder of additional configurations, which are not trusted.
    """
    with _LOCK:
        SearchPath.config_dir = config_dir
        try:
            with (
                own_instance(),
                initialize_config_module(CONFIGS, job_name="ocr-train", version_base="1.3"),
                restricted_resolvers(),
            ):
                hydra = GlobalHydra.instance().hydra
                assert hydra is not None
                hydra.config_loader = GuardedLoader(hydra.config_loader.get_search_path())
                yield hydra
        finally:
            SearchPath.config_dir = None
