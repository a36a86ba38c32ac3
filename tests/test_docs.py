"""The documentation matches the code: options, files, links, imports. Its commands: test_docs_commands.py."""

from __future__ import annotations

import ast
import re
import runpy
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from fnmatch import fnmatch
from pathlib import Path
from typing import get_type_hints

import pytest

from ocr_trainer.config.renames import RENAMED
from ocr_trainer.config.tasks import run_config_class
from ocr_trainer.plugin import PLUGIN_TYPES, Config, Kind, Options, Task, discovery
from ocr_trainer.plugin.metadata import config_files, installed
from ocr_trainer.plugin.options import CtcConfig, FolderConfig, ListedConfig, PairedConfig, RecognizerConfig

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    *(ROOT / f"{name}.md" for name in ("CHANGELOG", "CONTRIBUTING", "SECURITY")),
    *sorted(page for page in DOCS.rglob("*.md") if "_build" not in page.parts),
    *sorted(ROOT.glob("plugins/*/README.md")),
]

BLOCK = re.compile(r"^```([\w{}-]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def name_of(value: object) -> str | None:
    return str(value.relative_to(ROOT)) if isinstance(value, Path) else None


def declared_plugins() -> list[tuple[Kind, str]]:
    """The plugins of this repository, as its pyproject files declare them."""
    found = []
    for path in (ROOT / "pyproject.toml", *ROOT.glob("plugins/*/pyproject.toml")):
        groups = tomllib.loads(read(path))["project"].get("entry-points", {})
        kinds = [kind for kind in Kind if kind is not Kind.configs]  # those have no options
        found += [(kind, name) for kind in kinds for name in groups.get(kind.entry_points, {})]
    return sorted(found, key=str)


PLUGINS = declared_plugins()
missing = [name for kind, name in PLUGINS if name not in discovery.names(kind)]
everything = pytest.mark.skipif(bool(missing), reason=f"not installed here: {', '.join(missing)}")


# Options


def leaves(options: type[Options], prefix: str = "") -> Iterator[str]:
    types = get_type_hints(options)
    for field in fields(options):
        kind = types[field.name]
        if not (isinstance(kind, type) and issubclass(kind, Options)):
            yield f"{prefix}{field.name}"
        elif kind is not Config:  # a plugin's
            own = leaves(kind, f"{prefix}{field.name}.")
            yield from (key for key in own if not issubclass(kind, Config) or not key.endswith(".name"))


@pytest.mark.parametrize("task", [Task.detection, Task.recognition])
def test_every_option_of_a_run_is_documented(task: Task):
    options = list(leaves(run_config_class(task)))
    assert {"optimizer.lr", "trainer.max_epochs", "augment.rotate", "seed"} <= set(options)
    page = read(DOCS / "configuration.md")
    assert [option for option in options if f"| `{option}` |" not in page] == []


@everything
@pytest.mark.parametrize(("kind", "name"), PLUGINS, ids=lambda value: getattr(value, "value", value))
def test_every_option_of_a_plugin_is_documented(kind: Kind, name: str):
    config = discovery.load(kind, name).config
    prefix = f"{PLUGIN_TYPES[kind].section(name)}."
    elsewhere = runpy.run_path(str(DOCS / "tables.py"))["documented_elsewhere"](
        config, f"{kind.value}/{name}"
    )
    options = [field.name for field in fields(config) if field.name not in elsewhere]
    # Plugins of two kinds may have one name.
    parts = read(DOCS / "plugins.md").split(f"\n### {name}\n")[1:]
    section = "".join(part.partition("\n### ")[0] for part in parts)
    assert [option for option in options if f"| `{prefix}{option}` |" not in section] == []

    readme = ROOT / "plugins" / discovery.find(kind, name).distribution / "README.md"
    if readme.is_file():  # the built-in plugins have none
        page = read(readme)
        assert [o for o in options if not re.search(rf"`(?:[\w.]*\.)?{o}`", page)] == []
        assert f"`{name}`" in read(ROOT / "README.md")


@pytest.mark.parametrize("base", [FolderConfig, PairedConfig, ListedConfig, RecognizerConfig, CtcConfig])
def test_what_plugins_share_is_documented_once(base: type):
    table = read(DOCS / "plugins.md").partition(f"<!-- options: shared/{base.__name__} -->")[2]
    table = table.partition("<!-- end -->")[0]
    kind = "model" if issubclass(base, RecognizerConfig) else "dataset"
    own = {field.name for field in fields(base)} - {f.name for b in base.__mro__[1:-1] for f in fields(b)}
    assert own
    assert [name for name in own if f"| `{kind}.{name}` |" not in table] == []


@everything
@pytest.mark.parametrize("page", ["configuration.md", "plugins.md"])
def test_tables_of_options_are_up_to_date(page: str):
    text = read(DOCS / page)
    assert text.count("<!-- options: ") >= 7
    assert runpy.run_path(str(DOCS / "tables.py"))["rendered"](text) == text, "run: python docs/tables.py"


def test_every_renamed_option_is_in_the_glossary():
    rows = dict(re.findall(r"^\| `([^`]+)` \| `([^`]+)`", read(DOCS / "glossary.md"), re.MULTILINE))
    assert {old: rows.get(old) for old in RENAMED} == RENAMED


def test_every_preset_and_experiment_is_documented():
    page = read(DOCS / "configuration.md")
    shipped = [config_files(plugin) for plugin in installed() if plugin.kind is Kind.configs]
    groups = [(group, file) for files in shipped for group, found in files.items() for file in found]
    presets = [f"{group.partition('/')[0]}={file.stem}" for group, file in groups]
    assert {"augment=authors", "experiment=digits"} <= set(presets)
    assert [preset for preset in presets if f"`{preset}`" not in page] == []


def test_our_environment_variables_are_documented():
    files = [file for folder in ("ocr_trainer", "plugins", "tests") for file in (ROOT / folder).rglob("*.py")]
    variables = {name for file in files for name in re.findall(r"\bOCR_TRAINER_[A-Z_]+\b", read(file))}
    assert "OCR_TRAINER_DATA" in variables
    page = read(DOCS / "configuration.md")
    assert [variable for variable in sorted(variables) if f"`{variable}`" not in page] == []


# Files


def tree() -> dict[str, str]:
    """The paths that the tree of architecture.md names, each with its clause."""
    drawing = read(DOCS / "architecture.md").partition("\n## The tree\n")[2]
    found, above = {}, list[str]()
    for line in BLOCK.search(drawing)[2].splitlines():
        name, _, clause = line.strip().partition(" ")
        above[(len(line) - len(line.lstrip())) // 2 :] = [name]
        found["".join(above)] = clause.strip()
    return found


def test_the_tree_names_what_is_there():
    named = tree()
    assert [path for path, clause in named.items() if not clause] == []
    wrong = [p for p in named if not ((ROOT / p).is_dir() if p.endswith("/") else (ROOT / p).is_file())]
    assert wrong == []


def test_the_tree_misses_nothing():
    files = [file for file in ROOT.glob("ocr_trainer/**/*.py") if file.name != "__init__.py"]
    files += [*DOCS.glob("*.md"), *DOCS.glob("*.py"), *ROOT.glob("configs/*.yaml")]
    folders = [
        folder
        for place in ("ocr_trainer", "plugins", "configs")
        for folder in (ROOT / place).iterdir()
        if folder.is_dir()
    ]
    paths = [str(f.relative_to(ROOT)) for f in files]
    paths += [f"{f.relative_to(ROOT)}/" for f in folders if f.name != "__pycache__"]
    assert sorted(set(paths) - set(tree())) == []


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent.name != "decisions"], ids=name_of)
def test_our_files_are_where_pages_say(page: Path):
    named = re.findall(r"`((?:tests|docs|configs|benchmarks|ocr_trainer)/[\w./-]+)`", read(page))
    folders = (ROOT, page.parent)  # a plugin's README speaks of its own folders, too
    assert [path for path in named if not any((folder / path).exists() for folder in folders)] == []


def test_every_decision_is_listed():
    listed = read(DOCS / "decisions" / "README.md")
    records = list((DOCS / "decisions").glob("0*.md"))
    assert len(records) >= 9
    assert [record.name for record in records if f"({record.name})" not in listed] == []
    for record in records:
        assert re.findall("^## (.*)$", read(record), re.MULTILINE) == ["Context", "Decision", "Why", "Cost"]


# Links


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings: lower case, without punctuation, hyphens for spaces."""
    headings = re.findall(r"^#+ (.*)$", re.sub(BLOCK, "", read(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_relative_links_resolve(page: Path):
    broken = []
    for link in LINK.findall(re.sub(BLOCK, "", read(page))):
        file, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target = (page.parent / file).resolve() if file else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_the_index_lists_every_page():
    page = read(DOCS / "index.md")
    assert [p.name for p in DOCS.glob("*.md") if p.name != "index.md" and f"({p.name})" not in page] == []


# Imports


def library_columns() -> tuple[list[list[str]], list[tuple[list[str], list[str]]]]:
    """The table of architecture.md: libraries of each column; modules and the answers of each row."""
    rows = re.findall(r"^\| (.*) \|$", read(DOCS / "architecture.md"), re.MULTILINE)
    head = next(i for i, row in enumerate(rows) if row.startswith("module | stevedore"))
    libraries = [cell.replace(",", "").split() for cell in rows[head].split(" | ")[1:]]
    found = []
    for row in rows[head + 1 :]:
        first, *answers = row.split(" | ")
        if not {*answers} <= {"yes", "no"}:
            break
        found.append((re.findall("`([^`]+)`", first), answers))
    return libraries, found


def named_libraries(file: Path) -> set[str]:
    imports = [
        node for node in ast.walk(ast.parse(read(file))) if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    names = [[a.name for a in n.names] if isinstance(n, ast.Import) else [n.module or ""] for n in imports]
    return {name.partition(".")[0] for several in names for name in several}


def test_modules_name_only_the_libraries_that_the_table_allows():
    libraries, rows = library_columns()
    assert len(libraries) == 4
    for file in (*ROOT.glob("ocr_trainer/**/*.py"), *ROOT.glob("plugins/*/ocr_trainer_*/**/*.py")):
        # The last row of the table is for the other modules of plugins, too.
        module = "plugin.py" if file.name == "plugin.py" else "builtin/" if "plugins" in file.parts else ""
        if "ocr_trainer_runtime" in file.parts:
            parts = file.with_suffix("").parts
            module = "/".join(parts[parts.index("ocr_trainer_runtime") :])
        module = module or str(file.relative_to(ROOT / "ocr_trainer").with_suffix(""))
        answers = [row for names, row in rows if any(fnmatch(module, name) for name in names)]
        assert len(answers) == (0 if module == "__init__" else 1), f"{file} is in {len(answers)} rows"
        for allowed, column in zip(*answers, libraries, strict=True) if answers else ():
            assert allowed == "yes" or not named_libraries(file) & set(column), file
