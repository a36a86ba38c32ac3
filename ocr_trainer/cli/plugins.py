"""The `list-plugins` and `describe` commands."""

from __future__ import annotations

import ast
import inspect
import textwrap
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, get_type_hints

from ocr_trainer.plugin import REQUIRED, Config, Kind, Options, metadata

KINDS = [kind.value for kind in Kind]


def list_plugins(words: Sequence[str]) -> int:
    """Print the installed plugins without importing them."""
    parser = ArgumentParser("ocr-train list-plugins", description="List the installed plugins.")
    parser.add_argument("kind", nargs="?", choices=KINDS, help="list only this kind")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args(words)
    found = [p for p in metadata.installed() if arguments.kind in (None, p.kind.value)]
    providers = Counter((p.kind, p.name) for p in found if p.denial is None)
    rows: list[dict[str, Any]] = [
        {
            "kind": p.kind.value,
            "name": p.name,
            "distribution": p.distribution,
            "version": p.version,
            "summary": metadata.read_summary(p),
            "conflict": p.denial is None and providers[p.kind, p.name] > 1,
            "denied": p.denial,
            "broken": metadata.find_defect(p),
        }
        for p in found
    ]
    if arguments.json:
        import json

        print(json.dumps(rows, indent=2))
    else:
        _table([[r["kind"], r["name"], f"{r['distribution']} {r['version']}", _note(r)] for r in rows])
    return 0


def _note(row: dict[str, Any]) -> str:
    if row["denied"]:
        return f"DENIED by {row['denied']}"
    if row["broken"]:
        return f"BROKEN: {row['broken']}"
    return "CONFLICT: several distributions provide this name" if row["conflict"] else row["summary"]


def _table(rows: list[list[str]]) -> None:
    if not rows:
        print("no plugins are installed")
        return
    # Text of a third-party plugin could contain terminal escape sequences.
    rows = [
        ["".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in cell) for cell in row]
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def describe(words: Sequence[str]) -> int:
    """Print a plugin's options with their types, defaults, bounds and descriptions."""
    parser = ArgumentParser("ocr-train describe", description="Show the options of a plugin.")
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("name", help="as list-plugins shows it")
    arguments = parser.parse_args(words)
    from ocr_trainer.config.compose import plugin_schema

    kind = Kind(arguments.kind)
    # Not at the top: `list-plugins` does without.
    from ocr_trainer.plugin import discovery

    description = discovery.load(kind, arguments.name)
    plugin_schema(kind, arguments.name)  # raises for malformed options
    found = discovery.find(kind, arguments.name)
    prefix = description.section(found.name)
    print(f"{kind.value} {found.name}: {description.summary}\n  {found}\n")
    print("\n".join(_options(description.config, prefix)))
    return 0


def _options(config: type[Options], prefix: str) -> list[str]:
    types, docs = get_type_hints(config), documentation(config)
    lines = []
    for field in fields(config):
        if field.name == "name" and issubclass(config, Config):
            continue
        key, kind = f"{prefix}.{field.name}", types[field.name]
        if "sections" in field.metadata:
            key, kind = f"{key}.NAME", field.metadata["sections"]
        if is_dataclass(kind) and isinstance(kind, type) and issubclass(kind, Options):
            lines += _options(kind, key)
            continue
        lines.append(f"{key}={_default(field)}   {_type(kind)}{_limits(field)}")
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
