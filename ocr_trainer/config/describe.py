"""Describe a plugin's options: types, defaults, bounds and what each is for."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Collection
from dataclasses import MISSING, Field, fields, is_dataclass
from itertools import takewhile
from typing import Any, get_type_hints

from ocr_trainer.config.hydra_source import plugin_schema
from ocr_trainer.config.schema import RunConfig
from ocr_trainer.config.tasks import run_config_class
from ocr_trainer.plugin import REQUIRED, Config, Kind, ModelPlugin, Options, Task, discovery
from ocr_trainer.plugin.metadata import Installed, config_files


def describe(kind: Kind, name: str) -> str:
    """Return a plugin's summary, and its options with their types, defaults, bounds and descriptions.

    Args:
        kind: The kind of plugin.
        name: `name` or `distribution:name`.

    Raises:
        PluginError: The plugin is missing, denied, ambiguous or broken.
    """
    if kind is Kind.configs:
        return _describe_configs(discovery.find(kind, name))
    description = discovery.load(kind, name)
    plugin_schema(kind, name)  # raises for malformed options
    found = discovery.find(kind, name)
    head = f"{kind.value} {found.name}: {description.summary}\n  {found}\n"
    if kind is Kind.task:
        return "\n".join([head, *_task_options(Task(found.name))])
    lines = _options(description.config, description.section(found.name))
    if isinstance(description, ModelPlugin):
        lines += ["", *_initial_weights(found.name, description)]
    return "\n".join([head, *lines])


def _initial_weights(name: str, model: ModelPlugin) -> list[str]:
    """Return the weights that a model can start from, and how to load them."""
    lines = ["weights to start from:", f"  ocr-train model={name} init_from=RUN/checkpoints/best.ckpt"]
    about = "a checkpoint of ocr-trainer"
    if model.architecture:
        about += f"; options taken from it unless they are set: {', '.join(model.architecture)}"
    lines += textwrap.wrap(about, 96, initial_indent="    ", subsequent_indent="    ")
    for weights in model.published:
        lines.append(f"  ocr-train model={name} init_from={weights.file}")
        about = f"{weights.name}, {weights.source}; license of the code: {weights.license}; {weights.data}"
        lines += textwrap.wrap(about, 96, initial_indent="    ", subsequent_indent="    ")
    for field in fields(model.config):
        if field.metadata.get("plugin") is Kind.backbone:
            lines.append(f"  ocr-train model={name} model.{field.name}.weights=FILE or OWNER/NAME")
            lines.append("    weights of torchvision or timm for the backbone alone")
    return lines


def _describe_configs(plugin: Installed) -> str:
    """Return the files that a distribution ships, each with the comment at its beginning."""
    lines = [f"{plugin.kind.value} {plugin.name}: {plugin.summary}\n  {plugin}\n"]
    for folder, paths in config_files(plugin).items():
        group, _, task = folder.partition("/")
        for path in paths:
            text = path.read_text(encoding="utf-8", errors="replace")
            head = takewhile(lambda line: line.startswith("#"), text.splitlines())
            comment = " ".join(line.strip("# ") for line in head if "@package" not in line)
            lines.append(f"{group}={path.stem}   {task}".rstrip())
            lines += textwrap.wrap(comment, 96, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines)


def _task_options(task: Task) -> list[str]:
    """Return the options that only runs of a task have."""
    cls = run_config_class(task)
    types, shared = get_type_hints(cls), get_type_hints(RunConfig)
    return _options(cls, "", [name for name in types if types[name] == shared.get(name)])


def _options(config: type[Options], prefix: str, omitted: Collection[str] = ()) -> list[str]:
    types, docs = get_type_hints(config), documentation(config)
    lines = []
    for field in fields(config):
        if field.name in omitted or (field.name == "name" and issubclass(config, Config)):
            continue
        key, kind = f"{prefix}.{field.name}".lstrip("."), types[field.name]
        if "sections" in field.metadata:
            key, kind = f"{key}.NAME", field.metadata["sections"]
        if is_dataclass(kind) and isinstance(kind, type) and issubclass(kind, Options):
            lines += _options(kind, key)
            continue
        takes = f"{nested.value} plugin" if (nested := field.metadata.get("plugin")) else _type(kind)
        lines.append(f"{key}={_default(field)}   {takes}{_limits(field)}")
        lines += textwrap.wrap(docs.get(field.name, ""), 96, initial_indent="    ", subsequent_indent="    ")
    return lines


def _default(field: Field[Any]) -> str:
    default = field.default if field.default_factory is MISSING else field.default_factory()
    if default == REQUIRED:
        return "???"
    return "null" if default is None else str(getattr(default, "name", default))


def _type(kind: Any) -> str:
    if isinstance(kind, type) and hasattr(kind, "__members__"):
        return f"one of {', '.join(kind.__members__)}"
    return (
        kind.__name__
        if isinstance(kind, type) and not hasattr(kind, "__args__")
        else str(kind).replace("pathlib.", "")
    )


def _limits(field: Field[Any]) -> str:
    bounds = str(field.metadata.get("bounds", ""))
    return f", {bounds}" if bounds else ""


def documentation(config: type[Options]) -> dict[str, str]:
    """Return the docstring of each field of a dataclass, including inherited fields."""
    docs: dict[str, str] = {}
    for owner in reversed(config.__mro__):
        if not is_dataclass(owner):
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(owner))).body[0]
        assert isinstance(body, ast.ClassDef)
        for before, after in zip(body.body, body.body[1:], strict=False):
            if (
                isinstance(before, ast.AnnAssign)
                and isinstance(after, ast.Expr)
                and isinstance(after.value, ast.Constant)
            ):
                docs[ast.unparse(before.target)] = inspect.cleandoc(str(after.value.value))
    return docs
