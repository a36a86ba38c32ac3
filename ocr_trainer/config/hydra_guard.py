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
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf
from omegaconf.basecontainer import BaseContainer

from ocr_trainer.config.hydra_source import SearchPath
from ocr_trainer.config.security import (
    check_hydra_options,
    check_overrides,
    code_key_message,
    code_keys,
    environment,
)
from ocr_trainer.config.validate import refuse

CONFIGS = "ocr_trainer.configs"
RESOLVERS = ("oc.select", "now", "hydra", "python_version")
"""Beside `oc.env`, ours: they read the configuration itself, the clock, and what Hydra knows of the run.

Not `oc.create` and `oc.decode`, which make sections of texts after those have been looked at; and none that
other code has registered."""


class GuardedLoader(ConfigLoaderImpl):
    """Hydra's loader, which refuses what names code."""

    def _parse_overrides_and_create_caching_repo(self, config_name: str | None, overrides: list[str]) -> Any:
        # Comes first whatever is asked for, and may import a package that hydra.searchpath names.
        if faults := list(check_overrides(overrides)):
            refuse(faults)
        return super()._parse_overrides_and_create_caching_repo(config_name, overrides)

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
