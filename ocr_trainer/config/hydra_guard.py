"""Hydra under guard: whatever it composes and resolves, nothing in it makes it import or build anything.

Hydra builds callbacks, logging, launchers and sweepers from the configuration that it has composed. So the
one door through which all of them get theirs, `load_configuration`, is where it is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra import initialize_config_module
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.hydra import Hydra
from hydra.core.default_element import ResultDefault
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf
from omegaconf.basecontainer import BaseContainer

from ocr_trainer.config.hydra_source import PRESETS, PluginSource, SearchPath
from ocr_trainer.config.security import (
    check_hydra_options,
    check_overrides,
    code_key_message,
    code_keys,
    environment,
)
from ocr_trainer.config.validate import refuse
from ocr_trainer.plugin import Kind, ModelPlugin, discovery

CONFIGS = "ocr_trainer.configs"
RESOLVERS = ("oc.select", "now", "hydra", "python_version")
"""Beside `oc.env`, ours: they read the configuration itself, the clock, and what Hydra knows of the run.

Not `oc.create` and `oc.decode`, which make sections of texts after those have been looked at; and none that
other code has registered."""


DEPENDS_ON_TASK = ("schema", *(f"{group}/" for group in PRESETS))
"""Configurations that `PluginSource` serves for the task of the chosen model."""


class GuardedLoader(ConfigLoaderImpl):
    """Hydra's loader, which refuses what names code and selects the schema of the model's task."""

    _swept = False
    _swept_model: str | None = None

    def _parse_overrides_and_create_caching_repo(self, config_name: str | None, overrides: list[str]) -> Any:
        # Comes first whatever is asked for, and may import a package that hydra.searchpath names.
        if faults := list(check_overrides(overrides)):
            refuse(faults)
        PluginSource.select(None)
        parsed, repo = super()._parse_overrides_and_create_caching_repo(config_name, overrides)
        sweeps = {override.key_or_group: override for override in parsed if override.is_sweep_override()}
        self._swept = not sweeps.keys().isdisjoint(("model", "experiment"))
        # Hydra leaves out what is swept when it composes for the sweep itself; any of the models will do.
        self._swept_model = (
            next(iter(sweeps["model"].sweep_string_iterator()), None) if "model" in sweeps else None
        )
        return parsed, repo

    def _compose_config_from_defaults_list(self, defaults: list[ResultDefault], repo: Any) -> DictConfig:
        # All defaults lists are read and nothing is composed yet: the model, and with it the task, is known.
        models = [d.config_path for d in defaults if (d.config_path or "").startswith("model/")]
        model = self._swept_model or (models[-1].partition("/")[2] if models else None)
        if model is not None:
            description = discovery.load(Kind.model, model)
            assert isinstance(description, ModelPlugin)
            PluginSource.select(description.task, swept=self._swept)
        for key in [
            key for key in repo.cache if key.removeprefix("config_path=").startswith(DEPENDS_ON_TASK)
        ]:
            del repo.cache[key]  # read while the task was not known
        return super()._compose_config_from_defaults_list(defaults, repo)

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


@contextmanager
def restricted_resolvers() -> Iterator[None]:
    """Let interpolations be resolved by nothing but `oc.env` under guard and `RESOLVERS`."""
    before = BaseContainer._resolvers
    BaseContainer._resolvers = {name: before[name] for name in RESOLVERS if name in before}
    OmegaConf.register_new_resolver("oc.env", environment)
    try:
        yield
    finally:
        BaseContainer._resolvers = before


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
