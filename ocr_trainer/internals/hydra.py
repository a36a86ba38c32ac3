"""Private parts of Hydra and OmegaConf: config loader, file source, instances, resolvers, grammar."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.file_config_source import FileConfigSource as _FileConfigSource
from hydra._internal.hydra import Hydra
from hydra.core.default_element import ResultDefault
from hydra.core.global_hydra import GlobalHydra
from hydra.core.singleton import Singleton
from hydra.version import VersionBase
from omegaconf import DictConfig, OmegaConf
from omegaconf.basecontainer import BaseContainer
from omegaconf.errors import GrammarParseError
from omegaconf.grammar_parser import parse

__all__ = ["ConfigLoader", "FileConfigSource", "Hydra", "only_resolvers", "own_instance", "resolver_calls"]


class ConfigLoader(ConfigLoaderImpl):
    """Hydra's config loader with three hooks, in the order in which Hydra calls them.

    A single value for a section in `shorthands` sets the option that is named there.

    Relies on `ConfigLoaderImpl._parse_overrides_and_create_caching_repo`, which every public method calls
    first, and on `_compose_config_from_defaults_list`, which Hydra calls after it has resolved the defaults.
    """

    shorthands: Mapping[str, str] = {}

    @abstractmethod
    def on_overrides(self, overrides: Sequence[str]) -> None:
        """Called with the overrides before Hydra applies any. Raise an error to refuse them."""

    @abstractmethod
    def on_parsed(self, sweeps: dict[str, list[str]]) -> None:
        """Called before Hydra reads defaults lists, with the values of each key or group of a sweep."""

    @abstractmethod
    def on_choices(self, configs: Sequence[str]) -> Sequence[str]:
        """Called with the configs that Hydra is about to compose, such as `model/dbnet`.

        Returns:
            Prefixes of configs to load again: the sources returned provisional content for them so far.
        """

    def _parse_overrides_and_create_caching_repo(self, config_name: str | None, overrides: list[str]) -> Any:
        self.on_overrides(overrides)
        parsed, repo = super()._parse_overrides_and_create_caching_repo(config_name, overrides)
        for override in parsed:
            section = override.key_or_group
            if section in self.shorthands and not (override.is_delete() or isinstance(override._value, dict)):
                override.key_or_group = f"{section}.{self.shorthands[section]}"
        swept = [override for override in parsed if override.is_sweep_override()]
        self.on_parsed({one.key_or_group: list(one.sweep_string_iterator()) for one in swept})
        return parsed, repo

    def _compose_config_from_defaults_list(self, defaults: list[ResultDefault], repo: Any) -> DictConfig:
        stale = tuple(self.on_choices([default.config_path or "" for default in defaults]))
        for key in [key for key in repo.cache if key.removeprefix("config_path=").startswith(stale)]:
            del repo.cache[key]
        return super()._compose_config_from_defaults_list(defaults, repo)


class FileConfigSource(_FileConfigSource):
    """Hydra's source of YAML files, with its helpers under public names."""

    @staticmethod
    def file_name(config_path: str) -> str:
        """Return the file name of a config path. Relies on `_normalize_file_name`."""
        return str(_FileConfigSource._normalize_file_name(config_path))

    @staticmethod
    def header(beginning: str) -> dict[str, str | None]:
        """Return the header of a file, such as its package. Relies on `_get_header_dict`."""
        return dict(_FileConfigSource._get_header_dict(beginning))


@contextmanager
def own_instance() -> Iterator[None]:
    """Hide the Hydra that a program has initialized. Relies on the table `Singleton._instances`."""
    names: tuple[type, ...] = (GlobalHydra, VersionBase)
    before = {name: Singleton._instances.pop(name) for name in names if name in Singleton._instances}
    try:
        yield
    finally:
        for name in names:
            Singleton._instances.pop(name, None)
        Singleton._instances.update(before)


@contextmanager
def only_resolvers(names: Sequence[str], **own: Callable[..., Any]) -> Iterator[None]:
    """Limit interpolations to these resolvers. Relies on the table `BaseContainer._resolvers`.

    Args:
        names: Registered resolvers to keep.
        own: Resolvers to add. A double underscore in a name means a dot.
    """
    before = BaseContainer._resolvers
    BaseContainer._resolvers = {name: before[name] for name in names if name in before}
    try:
        for name, resolver in own.items():
            OmegaConf.register_new_resolver(name.replace("__", "."), resolver)
        yield
    finally:
        BaseContainer._resolvers = before


def resolver_calls(text: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the first argument of each resolver that a text calls, as they are written.

    OmegaConf resolves nothing in a text that it cannot parse. Relies on the rules of OmegaConf's grammar.
    """
    try:
        rest: list[Any] = [parse(text)]
    except GrammarParseError:
        return
    while rest:
        node = rest.pop()
        if type(node).__name__ == "InterpolationResolverContext":
            arguments = node.sequence()
            yield node.resolverName().getText(), arguments.element(0).getText() if arguments else ""
        rest += getattr(node, "children", None) or ()
