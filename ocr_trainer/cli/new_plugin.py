"""`ocr-train new-plugin`: create the folder of a distribution with one plugin, and tests that pass."""

from __future__ import annotations

import keyword
import re
from collections.abc import Sequence
from pathlib import Path

from ocr_trainer.cli.parser import Parser
from ocr_trainer.errors import ConfigError, did_you_mean
from ocr_trainer.plugin import Kind, metadata
from ocr_trainer_runtime.text.visible import echo

TEMPLATES = Path(__file__).with_name("templates")
"""Files of a distribution of the plugin `acme`: those of all kinds, and a folder for each kind."""
NAME = re.compile(r"[a-z][a-z0-9_]*")
AT_THE_TOP = ("README.md", "pyproject.toml")
"""Files that belong beside the package, as the tests do."""


def new_plugin(words: Sequence[str]) -> int:
    """Create a distribution, and print the next commands.

    Raises:
        ConfigError: The name or the kind cannot be used, or the folder exists.
    """
    parser = Parser("ocr-train new-plugin", description="Create a distribution with a plugin of your own.")
    parser.add_argument("name", help="name of the plugin: lower case, digits and _")
    parser.add_argument("--kind", required=True, help=", ".join(kinds()))
    parser.add_argument(
        "--in",
        dest="parent",
        type=Path,
        default=Path(),
        help="parent folder (default: the working directory)",
    )
    arguments = parser.parse_intermixed_args(words)
    kind = _kind(arguments.kind)
    _check_name(arguments.name, kind)
    folder = arguments.parent / distribution(arguments.name)
    files = render(arguments.name, kind)
    try:
        folder.mkdir(parents=True)
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    except FileExistsError:
        raise ConfigError(f"{folder} exists: choose another name, or another place with --in DIR") from None
    except OSError as error:
        raise ConfigError(f"{folder} cannot be made: {error}") from error
    echo(f"made {folder}\n  next: pip install -e {folder} && pytest {folder}")
    return 0


def kinds() -> list[str]:
    """Return the kinds that there are templates for."""
    return [kind.value for kind in Kind if (TEMPLATES / kind.value).is_dir()]


def distribution(name: str) -> str:
    """Return the name of the distribution of a plugin."""
    return f"ocr-trainer-{name.replace('_', '-')}"


def render(name: str, kind: Kind) -> dict[str, str]:
    """Return the files of a distribution: path and content. Those of a kind replace those of all kinds."""
    package = f"ocr_trainer_{name}"
    files = {f"{package}/py.typed": ""}
    for folder in (TEMPLATES, TEMPLATES / kind.value):
        for template in sorted(folder.glob("*.txt") if folder == TEMPLATES else folder.rglob("*.txt")):
            path = str(template.relative_to(folder)).removesuffix(".txt")
            place = "tests" if path.startswith("test_") else package if path not in AT_THE_TOP else "."
            text = _render(template.read_text(encoding="utf-8"), name, kind)
            files[str(Path(place, path.replace("acme", name)))] = text
    return files


def _render(text: str, name: str, kind: Kind) -> str:
    target = "ocr_trainer_acme.configs" if kind is Kind.configs else "ocr_trainer_acme.plugin:acme"
    for word, replacement in (
        ("TARGET", target),
        ("GROUP", kind.entry_points),
        ("KIND", kind.value),
        ("ocr-trainer-acme", distribution(name)),
        ("Acme", "".join(part.capitalize() for part in name.split("_"))),
        ("acme", name),
    ):
        text = text.replace(word, replacement)
    return text


def _kind(word: str) -> Kind:
    if word not in kinds():
        hint = did_you_mean(word, kinds())
        raise ConfigError(f"there is no plugin kind '{word}'.{hint}\n  kinds: {', '.join(kinds())}")
    return Kind(word)


def _check_name(name: str, kind: Kind) -> None:
    if not NAME.fullmatch(name) or keyword.iskeyword(name):
        raise ConfigError(
            f"'{name}' cannot be the name of a plugin\n"
            "  use lower case letters, digits and _, and begin with a letter"
        )
    for plugin in metadata.installed():
        if plugin.kind is kind and plugin.name == name:
            raise ConfigError(f"there is a {kind.value} plugin '{name}' already: {plugin}")
