"""The `list-plugins` and `describe` commands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ocr_trainer.cli.parser import Parser
from ocr_trainer.plugin.kind import Kind
from ocr_trainer_runtime.text.visible import echo, one_line

if TYPE_CHECKING:
    from ocr_trainer.api.catalog import InstalledPlugin

KINDS = [kind.value for kind in Kind]


def list_plugins(words: Sequence[str]) -> int:
    """Print the installed plugins without importing them."""
    parser = Parser("ocr-train list-plugins", description="List the installed plugins.")
    parser.add_argument("kind", nargs="?", choices=KINDS, help="list only this kind")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args(words)
    from ocr_trainer.api.catalog import plugins

    found = plugins(arguments.kind)
    if arguments.json:
        import json

        echo(json.dumps([plugin._asdict() for plugin in found], indent=2))
    else:
        _table([[p.kind, p.name, f"{p.distribution} {p.version}", _note(p)] for p in found])
    return 0


def _note(plugin: InstalledPlugin) -> str:
    if plugin.denied:
        return f"DENIED by {plugin.denied}"
    if plugin.broken:
        return f"BROKEN: {plugin.broken}"
    return "CONFLICT: several distributions provide this name" if plugin.conflict else plugin.summary


def _table(rows: list[list[str]]) -> None:
    if not rows:
        echo("no plugins are installed")
        return
    # Before the widths are measured.
    rows = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def describe(words: Sequence[str]) -> int:
    """Print a plugin's options with their types, defaults, bounds and descriptions."""
    parser = Parser("ocr-train describe", description="Show the options of a plugin.")
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("name", help="as list-plugins shows it")
    arguments = parser.parse_args(words)
    from ocr_trainer.api.catalog import describe

    echo(describe(arguments.kind, arguments.name))
    return 0
