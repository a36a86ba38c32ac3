"""What every kind of plugin has to keep."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, get_type_hints

from ocr_trainer.cli.plugins import describe, documentation
from ocr_trainer.config.compose import compose, plugin_schema
from ocr_trainer.config.schema import RunConfig, plain
from ocr_trainer.config.validate import NO_BOUNDS, validate_options, validate_value
from ocr_trainer.errors import ConfigError
from ocr_trainer.plugin import (
    REQUIRED,
    Config,
    Context,
    DatasetPlugin,
    Kind,
    ModelPlugin,
    Options,
    Plugin,
    Task,
    discovery,
)

if TYPE_CHECKING:
    import pytest

IMPORTS = """
import importlib, sys
sys.path[:] = {path!r}
before = set(sys.modules)
importlib.import_module({module!r})
print(*(set(sys.modules) - before))
"""


class PluginSuite:
    """The checks that do not depend on what the plugin does."""

    kind: ClassVar[Kind]
    name: str
    """The name the plugin is chosen by."""
    overrides: Sequence[str] = ()
    """What a run of it needs to be told, as on the command line."""

    @property
    def description(self) -> Plugin:
        """What the plugin's `plugin.py` says of it."""
        return discovery.load(self.kind, self.name)

    @property
    def prefix(self) -> str:
        """Where its options lie in a run."""
        return f"logger.{self.name}" if self.kind is Kind.logger else self.kind.value

    def run(self, *more: str) -> RunConfig:
        """Compose a run with the plugin in it."""
        choice = (
            [f"logger=[{self.name}]"]
            if self.kind is Kind.logger
            else [f"{self.prefix}={self.name}", "logger=[]"]
        )
        return copy.deepcopy(_compose((*choice, *self.overrides, *more)))

    def config(self, run: RunConfig) -> Config:
        """Return the plugin's options in a run."""
        config: Config = run.logger[self.name] if self.kind is Kind.logger else getattr(run, self.kind.value)
        return config

    def context(self, folder: Path) -> Context:
        """Return what a run in that folder would tell the plugin's factory."""
        description, task = self.description, Task.detection
        if isinstance(description, ModelPlugin):
            task = description.task
        elif isinstance(description, DatasetPlugin):
            task = description.tasks[0]
        return Context(task=task, folder=folder, exp_name="contract")

    def build(self, context: Context) -> Any:
        """Return what the plugin's factory makes."""
        return discovery.resolve(self.kind, self.name)(self.config(self.run()), context)

    def test_it_is_registered_once_with_a_version_and_a_summary(self) -> None:
        """`list-plugins` shows what the distribution's metadata says."""
        found = discovery.find(self.kind, self.name)
        assert found.version not in ("", "?"), f"the metadata of {found.distribution} must give a version"
        assert found.summary, (
            f"give {found.distribution} a `description` in pyproject.toml: list-plugins shows it"
        )

    def test_its_description_keeps_the_contract(self) -> None:
        """It is a plugin of its kind, for this version of the contract; `discovery.load` looks at that."""
        description = self.description
        summary, factory = description.summary, description.factory
        assert len(summary.splitlines()) == 1, f"the summary must be one line of text, not {summary!r}"
        assert re.fullmatch(r"[\w.]+:\w+", factory), (
            f"the factory must be 'package.module:attribute', not {factory!r}"
        )
        if isinstance(description, DatasetPlugin):
            assert description.tasks, "say in `tasks` what models can learn from the dataset"

    def test_its_description_imports_only_the_standard_library(self) -> None:
        """Whoever names a plugin pays for nothing heavy."""
        module = discovery.find(self.kind, self.name).target.partition(":")[0]
        code = IMPORTS.format(path=sys.path, module=module)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{module} cannot be imported by itself:\n{done.stderr}"
        own = {"ocr_trainer", module.partition(".")[0]}
        foreign = {name.partition(".")[0] for name in done.stdout.split()} - sys.stdlib_module_names - own
        assert not foreign, (
            f"{module} must import the standard library and ocr_trainer.plugin only, but it imports"
            f" {', '.join(sorted(foreign))}; move what needs that into the module of the factory"
        )

    def test_its_options_are_typed_and_documented(self) -> None:
        """OmegaConf takes their types, and `describe` has something to say of each."""
        plugin_schema(self.kind, self.name)
        silent = list(_undocumented(self.description.config))
        assert not silent, f"write a docstring line under the options {', '.join(silent)}: describe shows it"

    def test_its_defaults_are_valid(self) -> None:
        """What a user does not touch is never at fault."""
        config = self.description.config()
        if REQUIRED in plain(config).values():
            faults = [fault for field in fields(config) for fault in _field_faults(config, field)]
        else:
            faults = list(validate_options(config))
        assert not faults, f"a default must be valid: {'; '.join(faults)}"

    def test_its_options_compose(self) -> None:
        """A run takes them, and refuses one that does not exist."""
        name = self.description.config(name=self.name).name
        assert name == self.name, f"`name` is set by the core; leave it alone (it is {name!r})"
        self.run()
        wrong = f"{self.prefix}.no_such_option"
        try:
            self.run(f"{wrong}=1")
        except ConfigError:
            return
        raise AssertionError(f"{wrong}=1 must be refused: a user may have mistyped it")

    def test_a_saved_configuration_gives_the_same_options(self) -> None:
        """A checkpoint rebuilds its run from names and plain values."""
        run = self.run()
        saved = plain(run)
        assert json.loads(json.dumps(saved)) == saved, (
            "options must be numbers, strings, lists and dicts of those"
        )
        again, config = self.config(compose([], saved)), self.config(run)
        assert again == config, (
            f"saved and composed again, the options must be the same:\n  {config}\n  {again}"
        )

    def test_describe_shows_its_options(self, capsys: pytest.CaptureFixture[str]) -> None:
        """`ocr-train describe KIND NAME` works."""
        assert describe([self.kind.value, self.name]) == 0
        shown = capsys.readouterr().out
        hidden = [f.name for f in fields(self.description.config) if f.name != "name" and f.name not in shown]
        assert not hidden, f"describe must show the options {', '.join(hidden)}"

    def test_its_factory_can_be_called(self) -> None:
        """The string in the description leads somewhere."""
        factory = self.description.factory
        assert callable(discovery.resolve(self.kind, self.name)), (
            f"{factory} must be called as (config, context)"
        )


@cache
def _compose(words: tuple[str, ...]) -> RunConfig:
    """Compose a run once for all the tests that need it."""
    return compose(words)


def _field_faults(config: Config, field: Any) -> Iterator[str]:
    return validate_value(getattr(config, field.name), field.name, field.metadata.get("bounds", NO_BOUNDS))


def _undocumented(config: type[Options], prefix: str = "") -> Iterator[str]:
    docs, types = documentation(config), get_type_hints(config)
    for field in fields(config):
        if not docs.get(field.name, "").strip():
            yield prefix + field.name
        kind = types[field.name]
        if isinstance(kind, type) and is_dataclass(kind) and issubclass(kind, Options):
            yield from _undocumented(kind, f"{prefix}{field.name}.")
