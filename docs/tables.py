"""Generate the tables of options in these pages from the dataclasses: `python docs/tables.py`.

A table is between `<!-- options: trainer -->` and `<!-- end -->`. `options:` is followed by `run`, a section
of the configuration, a task such as `detection`, a section of a task such as `detection/augment`, a plugin
such as `model/dbnet`, or options that many plugins share, such as `shared/PairedConfig`. The table of a task
or a plugin omits shared options. `tests/test_docs.py` fails if a table is out of date.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import Field, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_type_hints

from ocr_trainer.config.describe import documentation
from ocr_trainer.config.schema import RunConfig, plain
from ocr_trainer.config.tasks import run_config_classes
from ocr_trainer.plugin import (
    REQUIRED,
    AugmentationConfig,
    BackboneConfig,
    Config,
    Kind,
    OptimizerConfig,
    Options,
    ScheduleConfig,
    discovery,
)
from ocr_trainer.plugin import options as shared

PAGES = [Path(__file__).with_name(name) for name in ("configuration.md", "plugins.md")]
SHARED = (
    AugmentationConfig,
    BackboneConfig,
    *(shared.FolderConfig, shared.PairedConfig, shared.ListedConfig),
    *(shared.RecognizerConfig, shared.CtcConfig, shared.DBConfig),
    *(OptimizerConfig, ScheduleConfig),
)
TASKS = {task.value: cls for task, cls in run_config_classes()}
TABLE = re.compile(r"(<!-- options: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def rendered(page: str) -> str:
    """Return a page with its tables regenerated."""
    return TABLE.sub(lambda found: f"{found[1]}\n{table(found[2])}\n{found[3]}", page)


def table(owner: str) -> str:
    """Return the table of `run`, of a section, or of a plugin; a sentence if it has no options of its own."""
    options, prefix = _owner(owner)
    rows = list(_rows(options, prefix, documented_elsewhere(options, owner)))
    if not rows:
        return "No other options.\n"
    head = [("option", "takes", "default", "meaning"), ("---",) * 4]
    return "".join(f"| {' | '.join(row)} |\n" for row in head + rows)


def _owner(owner: str) -> tuple[type[Options], str]:
    """Return the dataclass that a name stands for, and the prefix of its options."""
    if owner == "run":
        return RunConfig, ""
    kind, _, name = owner.partition("/")
    if kind in TASKS:
        return (get_type_hints(TASKS[kind])[name], f"{name}.") if name else (TASKS[kind], "")
    if kind == "shared":
        options = next(base for base in SHARED if base.__name__ == name)
        if options is BackboneConfig:
            return options, "model.backbone."
        if options is AugmentationConfig:
            return options, "augment.steps.NAME."
        of_models = (shared.RecognizerConfig, shared.DBConfig)
        return options, "model." if issubclass(options, of_models) else "dataset."
    if not name:
        return get_type_hints(RunConfig)[owner], f"{owner}."
    description = discovery.load(Kind(kind), name)
    return description.config, f"{description.section(name)}."


def _rows(
    options: type[Options], prefix: str, omitted: Collection[str] = ()
) -> Iterator[tuple[str, str, str, str]]:
    types, meanings, defaults = get_type_hints(options), documentation(options), plain(options())
    for field in fields(options):
        if field.name in omitted:
            continue
        default = defaults[field.name]
        if "plugin" in field.metadata and default != REQUIRED:
            default = default["name"]
        default = "" if _is_section(types[field.name]) else _default(default)
        yield (
            f"`{prefix}{field.name}`",
            _takes(types[field.name], field),
            default,
            meanings[field.name].replace("|", r"\|"),
        )
        if "sections" in field.metadata:
            yield from _rows(field.metadata["sections"], f"{prefix}{field.name}.NAME.")
        if prefix and is_dataclass(types[field.name]):  # the sections of a run have their own tables
            yield from _rows(types[field.name], f"{prefix}{field.name}.")


def documented_elsewhere(options: type[Options], owner: str) -> set[str]:
    """Return the options that a table omits: a plugin's name, and those of a shared table above it.

    An option of a model, optimizer, schedule or augmentation with another default than in the shared table
    stays.
    """
    if owner.partition("/")[0] in TASKS:  # what a task only refines is in the table of all runs
        above = [RunConfig, *(kind for kind in get_type_hints(RunConfig).values() if isinstance(kind, type))]
    else:
        # A section of a run is where the options that its plugins share are.
        above = [base for base in SHARED if "/" in owner and owner != f"shared/{base.__name__}"]
    bases = [base for base in (Config, *above) if issubclass(options, base)]
    defaults = {field.name: field.default for field in fields(options)}
    own = (AugmentationConfig, OptimizerConfig, ScheduleConfig, shared.RecognizerConfig, shared.DBConfig)
    return {f.name for b in bases for f in fields(b) if b not in own or defaults[f.name] == f.default}


def _is_section(kind: Any) -> bool:
    return kind == dict[str, Any] or is_dataclass(kind)


def _default(value: Any) -> str:
    if value == REQUIRED:
        return "required"
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _takes(kind: Any, field: Field[Any]) -> str:
    if "plugin" in field.metadata:
        return f"a {field.metadata['plugin'].value} plugin"
    limits = str(field.metadata.get("bounds", ""))
    return f"{_type(kind)}, {limits}" if limits else _type(kind)


def _type(kind: Any) -> str:
    if _is_section(kind):
        return "a section"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return ", ".join(f"`{name}`" for name in kind.__members__)
    if getattr(kind, "__origin__", None) is list:
        return f"list of {_type(get_args(kind)[0])}"
    if get_args(kind):
        return " or ".join(_type(part) for part in get_args(kind))
    names = {Any: "anything", type(None): "null", Path: "path"}
    return names.get(kind) or str(kind.__name__)


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(rendered(path.read_text(encoding="utf-8")), encoding="utf-8")
