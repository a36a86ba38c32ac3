"""The site builds offline, without a warning, and its links lead somewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

pytest.importorskip("sphinx", reason="the extra `docs` is not installed")

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
OFFLINE = {f"{scheme}_proxy": "http://127.0.0.1:9" for scheme in ("http", "https")}
"""A proxy that nobody answers at: what would be fetched fails."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site; every warning is an error."""
    folder = tmp_path_factory.mktemp("site")
    words = [
        *("-m", "sphinx", "-W", "--keep-going", "-q"),
        *("-d", folder / "doctrees"),
        *("-c", ROOT / "docs"),
    ]
    done = subprocess.run(
        [sys.executable, *words, ROOT, folder / "html"],
        env={**os.environ, **OFFLINE},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return folder / "html"


class Links(HTMLParser):
    """The targets that a page links to, and the anchors that it has."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.anchors: set[str] = set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        words = dict(attrs)
        self.targets += [words[key] for key in ("href", "src") if words.get(key)]
        self.anchors |= {words["id"]} if words.get("id") else set()


def test_every_page_is_there(site: Path):
    sources = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("plugins/*/README.md")]
    pages = [
        source.relative_to(ROOT).with_suffix(".html") for source in sources if "_build" not in source.parts
    ]
    assert len(pages) > 50
    assert [str(page) for page in pages if not (site / page).is_file()] == []


def test_links_on_the_site_resolve(site: Path):
    pages = {
        page: Links(page)
        for page in site.rglob("*.html")
        if page.name not in {"genindex.html", "search.html"}
    }
    broken = []
    for page, links in pages.items():
        for target in links.targets:
            path, _, anchor = unquote(target).partition("#")
            if ":" in path.partition("/")[0]:  # http:, mailto:, data:
                continue
            found = (page.parent / path.partition("?")[0]).resolve() if path else page
            if not found.is_file() or (anchor and found in pages and anchor not in pages[found].anchors):
                broken.append(f"{page.relative_to(site)}: {target}")
    assert broken == []


def test_a_page_loads_nothing_from_elsewhere(site: Path):
    page = (site / "docs" / "index.html").read_text(encoding="utf-8")
    assert '<script src="http' not in page
    assert 'rel="stylesheet" href="http' not in page


@pytest.mark.parametrize(
    ("page", "name"),
    [
        ("plugin", "ocr_trainer.plugin.kinds.ModelPlugin"),
        ("models", "ocr_trainer.tasks.detection.detector.Detector.decode"),
        ("models", "ocr_trainer.tasks.recognition.recognizer.Recognizer.size"),
        ("data", "ocr_trainer.data.types.Sample"),
        ("formats", "ocr_trainer.formats.labeled.LabeledImages"),
        ("metrics", "ocr_trainer.metrics.icdar.match"),
        ("testing", "ocr_trainer.testing.models.ModelSuite"),
        ("errors", "ocr_trainer.errors.ConfigError"),
        ("python", "ocr_trainer.api.runs.train"),
        ("python", "ocr_trainer.evaluation.predict.Reader.predict"),
        ("python", "ocr_trainer_runtime.results.page.Page.save"),
    ],
)
def test_the_reference_has_what_is_public(site: Path, page: str, name: str):
    assert name in Links(site / "docs" / "api" / f"{page}.html").anchors
