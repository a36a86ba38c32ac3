"""The site: `make docs` builds it from the Markdown of this repository and from docstrings.

The source directory is the root of the repository, so that a relative link leads to the same file on the
site and on GitHub. The sidebar follows the links of the pages that list others, see `CONTENTS`.
"""

from __future__ import annotations

import re
from importlib.metadata import version as version_of
from pathlib import Path
from textwrap import indent
from typing import Any

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[1]

project = "ocr-trainer"
author = "the authors of ocr-trainer"
release = version = version_of(project)

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "docs/index"
include_patterns = ["*.md", "docs/**.md", "plugins/*/README.md"]
exclude_patterns = ["docs/_build"]
templates_path = ["_templates"]

html_theme = "furo"
html_title = "ocr-trainer"
# The root page lies in a folder, as its source does.
html_additional_pages = {"index": "redirect.html"}
html_copy_source = False

myst_heading_anchors = 4  # the anchors that GitHub gives to headings

autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
python_use_unqualified_type_names = True

CONTENTS = ("docs/index", "docs/api/index", "docs/decisions/README")
"""Pages that list others: their sections are the captions of the sidebar, their links its entries."""

ATTRIBUTES = {"attribute", "data", "property"}
attributes: dict[str, list[str]] = {}
CODE = re.compile(r"(?<![`:])`([^`]+?)\s*`(?!`)")
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LISTED = re.compile(r"\]\(([^)#\s]+\.md)\)")


def add_contents(_: Sphinx, page: str, source: list[str]) -> None:
    """Append the table of contents that Sphinx needs to a page that lists others."""
    if page not in CONTENTS:
        return
    trees = []
    for section in re.split(r"^## ", source[0], flags=re.MULTILINE):
        caption, _, _ = section.partition("\n")
        head = "" if section is source[0] or caption.startswith("#") else f":caption: {caption}\n"
        links = list(dict.fromkeys(LISTED.findall(section)))
        if links:
            trees.append("```{toctree}\n:hidden:\n" + head + "\n".join(["", *links]) + "\n```\n")
    source[0] += "\n" + "\n".join(trees)


def to_rst(_: Sphinx, what: str, name: str, obj: object, options: Any, lines: list[str]) -> None:
    """Turn the Markdown of a docstring into the reStructuredText that autodoc expects."""
    text = FENCE.sub(lambda block: f".. code-block:: python\n\n{indent(block[1], '    ')}", "\n".join(lines))
    text = CODE.sub(r"``\1``", text)
    if what == "module":  # code and drawings
        text = "\n\n".join(
            "::\n\n" + indent(part, "    ") if re.search(r"^( {4}|[├└])", part, re.MULTILINE) else part
            for part in text.split("\n\n")
        )
    lines[:] = text.split("\n")
    if what in ATTRIBUTES:
        attributes[name] = list(lines)


def restore(_: Sphinx, what: str, name: str, obj: object, options: Any, lines: list[str]) -> None:
    """Undo what napoleon does to the docstring of an attribute: it takes words before a colon for a type."""
    if what in ATTRIBUTES:
        lines[:] = attributes[name]


def setup(app: Sphinx) -> None:
    """Register what this file adds to Sphinx."""
    app.connect("source-read", add_contents)
    app.connect("autodoc-process-docstring", to_rst, priority=400)
    app.connect("autodoc-process-docstring", restore, priority=600)  # napoleon has the default, 500
