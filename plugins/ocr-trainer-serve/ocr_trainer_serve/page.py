"""The web page at `/`: one HTML file that contains its style and script and loads nothing else."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Sequence
from pathlib import Path

from ocr_trainer_serve.settings import Settings

FOLDER = Path(__file__).with_name("page")
FILE = "page.html"


class Page:
    """The page of a service.

    Args:
        settings: The settings; the page itself refuses files that are too large.
        formats: The names of the formats that can be downloaded.
    """

    def __init__(self, settings: Settings, formats: Sequence[str]) -> None:
        style, script = _source("page.css"), _source("words.js") + _source("page.js")
        options = "".join(f"<option>{html.escape(name)}</option>" for name in formats if name != "json")
        # Values are in attributes, so that the hashes of style and script do not depend on the settings.
        text = _source(FILE).replace("$MAX_BYTES", str(settings.max_bytes)).replace("$FORMATS", options)
        self.content = text.replace("$STYLE", style).replace("$SCRIPT", script)
        policy = {
            "default-src": "'none'",
            "script-src": _hash(script),
            "style-src": _hash(style),
            "img-src": "blob: data:",
            "connect-src": "'self'",
            "base-uri": "'none'",
            "form-action": "'none'",
            "frame-ancestors": "'none'",
        }
        self.headers = {"Content-Security-Policy": "; ".join(" ".join(rule) for rule in policy.items())}


def _source(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
