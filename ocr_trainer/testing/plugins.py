"""Base of all contract suites: checks of a plugin's metadata, description, options and factory."""

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

from ocr_trainer.config.compose import compose, plugin_schema
from ocr_trainer.config.describe import describe, documentation
from ocr_trainer.config.schema import RunConfig, plain
from ocr_trainer.config.validate import NO_BOUNDS, validate_options, validate_value
from ocr_trainer.errors import ConfigError
from ocr_trainer.plugin import (
    PLUGIN_TYPES,
    REQUIRED,
    Config,
    Context,
    DatasetPlugin,
    Kind,
    MetricPlugin,
    ModelPlugin,
    Options,
    Plugin,
    Task,
    discovery,
)

if TYPE_CHECKING:
    pass

IMPORTS = """
import importlib, sys
sys.path[:] = {path!r}
before = set(sys.modules)
importlib.import_module({module!r})
print(*(set(sys.modules) - before))
"""


class PluginSuite:
    """Checks for plugins of any kind."""

    kind: ClassVar[Kind]
    """Kind of the plugin; set by each suite."""
    name: str
    """Name of the plugin, as on the command line."""
    overrides: Sequence[str] = ()
    """Overrides that a run with the plugin needs, as on the command line."""

    @property
    def description(self) -> Plugin:
        """The description in the plugin's `plugin.py`."""
        return discovery.load(self.kind, self.name)

    @property
    def prefix(self) -> str:
        """Key of the plugin's options in the configuration of a run."""
        return PLUGIN_TYPES[self.kind].section(self.name)

    def run(self, *more: str) -> RunConfig:
        """Compose the configuration of a run with the plugin."""
        choice = PLUGIN_TYPES[self.kind].choice(self.name)
        others = () if self.kind is Kind.logger else ("logger=[]",)
        return copy.deepcopy(_compose((choice, *others, *self.overrides, *more)))

    def config(self, run: RunConfig) -> Config:
        """Return the plugin's options in a run."""
        config: Config = next(section for key, _, section in run.plugins() if key == self.prefix)
        return config

    def context(self, folder: Path) -> Context:
        """Return the context that a run in this folder passes to the plugin's factory."""
        description, task = self.description, Task.detection
        if isinstance(description, ModelPlugin):
            task = description.task
        elif isinstance(description, DatasetPlugin | MetricPlugin):
            task = description.tasks[0]
        return Context(task=task, folder=folder, exp_name="contract")

    def build(self, context: Context) -> Any:
        """Call the plugin's factory and return the result."""
        return discovery.resolve(self.kind, self.name)(self.config(self.run()), context)

    def test_it_is_registered_once_with_a_version_and_a_summary(self) -> None:
        """`list-plugins` shows the metadata of the distribution."""
        found = discovery.find(self.kind, self.name)
        assert found.version not in ("", "?"), f"the metadata of {found.distribution} must give a version"
        assert found.summary, (
            f"give {found.distribution} a `description` in pyproject.toml: list-plugins shows it"
        )

    def test_its_description_is_valid(self) -> None:
        """It is a plugin of its kind for this version of the contract, which `discovery.load` checks."""
        description = self.description
        summary, factory = description.summary, description.factory
        assert len(summary.splitlines()) == 1, f"the summary must be one line of text, not {summary!r}"
        assert re.fullmatch(r"[\w.]+:\w+", factory), (
            f"the factory must be 'package.module:attribute', not {factory!r}"
        )
        if isinstance(description, DatasetPlugin | MetricPlugin):
            assert description.tasks, "list the tasks that it supports in `tasks`"

    def test_its_description_imports_only_the_standard_library(self) -> None:
        """Selecting or listing a plugin must not import anything heavy."""
        module = discovery.find(self.kind, self.name).target.partition(":")[0]
        foreign = foreign_imports(module)
        assert not foreign, (
            f"{module} must import only the standard library and ocr_trainer.plugin, but it imports"
            f" {', '.join(sorted(foreign))}; move the code that needs them into the factory's module"
        )

    def test_its_options_are_typed_and_documented(self) -> None:
        """OmegaConf supports their types, and `describe` shows a docstring for each."""
        plugin_schema(self.kind, self.name)
        missing = list(undocumented(self.description.config))
        assert not missing, f"write a docstring below the options {', '.join(missing)}: describe shows it"

    def test_its_defaults_are_valid(self) -> None:
        """Default values pass validation."""
        config = self.description.config()
        if REQUIRED in plain(config).values():
            faults = [fault for field in fields(config) for fault in _field_faults(config, field)]
        else:
            faults = list(validate_options(config))
        assert not faults, f"a default must be valid: {'; '.join(faults)}"

    def test_its_options_compose(self) -> None:
        """A run accepts the options, and refuses one that does not exist."""
        name = self.description.config(name=self.name).name
        assert name == self.name, f"the core sets `name`; do not change it (it is {name!r})"
        self.run()
        wrong = f"{self.prefix}.no_such_option"
        try:
            self.run(f"{wrong}=1")
        except ConfigError:
            return
        raise AssertionError(f"{wrong}=1 must be refused, to catch mistyped options")

    def test_a_saved_configuration_gives_the_same_options(self) -> None:
        """A checkpoint stores the configuration as plain values and composes it again."""
        run = self.run()
        saved = plain(run)
        assert json.loads(json.dumps(saved)) == saved, (
            "options must be numbers, strings, lists or dicts of these"
        )
        again, config = self.config(compose([], saved)), self.config(run)
        assert again == config, (
            f"the options must be the same after saving and composing again:\n  {config}\n  {again}"
        )

    def test_describe_shows_its_options(self) -> None:
        """`ocr-train describe KIND NAME` shows all options."""
        shown = describe(self.kind, self.name)
        hidden = [f.name for f in fields(self.description.config) if f.name != "name" and f.name not in shown]
        assert not hidden, f"describe must show the options {', '.join(hidden)}"

    def test_its_factory_can_be_called(self) -> None:
        """The factory named in the description exists and is callable."""
        factory = self.description.factory
        assert callable(discovery.resolve(self.kind, self.name)), (
            f"{factory} must be callable as factory(config, context)"
        )


@cache
def _compose(overrides: tuple[str, ...]) -> RunConfig:
    """Compose a run; cached, as most tests of a suite need the same one."""
    return compose(overrides)


def _field_faults(config: Config, field: Any) -> Iterator[str]:
    return validate_value(getattr(config, field.name), field.name, field.metadata.get("bounds", NO_BOUNDS))


def undocumented(config: type[Options], prefix: str = "") -> Iterator[str]:
    """Yield the options, also of nested sections, that have no docstring."""
    docs, types = documentation(config), get_type_hints(config)
    for field in fields(config):
        if not docs.get(field.name, "").strip():
            yield prefix + field.name
        kind = types[field.name]
        if isinstance(kind, type) and is_dataclass(kind) and issubclass(kind, Options):
            yield from undocumented(kind, f"{prefix}{field.name}.")


def foreign_imports(module: str) -> set[str]:
    """Return the packages that a module imports beside its own, ours and the standard library."""
    # In a new process: in this one, heavy modules are loaded already.
    code = IMPORTS.format(path=sys.path, module=module)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{module} cannot be imported by itself:\n{done.stderr}"
    own = {"ocr_trainer", "ocr_trainer_runtime", module.partition(".")[0]}
    return {name.partition(".")[0] for name in done.stdout.split()} - sys.stdlib_module_names - own
