"""The page, in a real browser: it loads nothing from elsewhere, and shows the text over the image."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from helpers.ink_models import encoded, page
from PIL import Image

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
LINES = ("abc ca", "bb")


def test_it_is_one_file_under_a_strict_policy(service):
    response = service.client.get("/")
    policy = dict(rule.split(" ", 1) for rule in response.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert re.fullmatch(r"'sha256-[\w+/]{43}='", policy["script-src"])
    assert "unsafe" not in str(policy)
    loaded = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attrs: loaded.extend(
        value for name, value in attrs if name in ("src", "href", "action", "style") or name.startswith("on")
    )
    parser.feed(response.text)
    assert loaded == ["data:,"]  # the icon: none
    assert "url(" not in response.text
    assert "@import" not in response.text


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if BROWSER is None:
        pytest.skip("there is no Chromium")
    with playwright.sync_playwright() as driver:
        # Chromium's own sandbox does not start for root; the only page is that of this test.
        chromium = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def tab(browser, service) -> Iterator[Any]:
    """The page of the service; what it says on its console, and whom it asks, is checked at the end."""
    context = browser.new_context(viewport={"width": 1000, "height": 700})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened = context.new_page()
    said, asked = [], []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(service.url)
    yield opened
    assert [line for line in said if "status of 4" not in line] == []
    assert [url for url in asked if not url.startswith((service.url, "blob:", "data:"))] == []
    context.close()


def drop(tab: Any, name: str, kind: str, content: bytes | int) -> None:
    """Drop a file on the page, as a user does with the mouse; a number is the size of a file of zeros."""
    transfer = tab.evaluate_handle(
        "([name, type, bytes]) => { const data = new DataTransfer();"
        " data.items.add(new File([new Uint8Array(bytes)], name, { type })); return data; }",
        [name, kind, content if isinstance(content, int) else list(content)],
    )
    tab.dispatch_event("#drop", "drop", {"dataTransfer": transfer})


def test_a_dropped_image_shows_its_text_at_its_place(tab):
    drop(tab, "page.png", "image/png", encoded(page(*LINES)))
    tab.wait_for_selector("#words span")
    words = tab.locator("#words span")
    assert words.all_text_contents() == ["abc", "ca", "bb"]
    assert tab.locator("#outlines polygon").count() == 3
    assert "3 texts" in tab.locator("#status").text_content()
    image, first, last = (
        tab.locator(css).bounding_box() for css in ("#image", "#words span >> nth=0", "#words span >> nth=2")
    )
    scale = image["width"] / 420
    for box, left, top, width in (
        (first, 20, 20, 64),
        (last, 20, 80, 40),
    ):  # as drawn, with the detector's margin
        assert box["x"] - image["x"] == pytest.approx(left * scale, abs=15 * scale)
        assert box["y"] - image["y"] == pytest.approx(top * scale, abs=15 * scale)
        assert box["width"] == pytest.approx(width * scale, abs=30 * scale)
    tab.locator("#words").evaluate("node => getSelection().selectAllChildren(node)")
    assert tab.evaluate("String(getSelection())").split() == ["abc", "ca", "bb"]


def test_it_is_used_with_the_keyboard_alone(tab):
    tab.set_input_files(
        "#drop input", {"name": "a.png", "mimeType": "image/png", "buffer": encoded(page(*LINES))}
    )
    tab.wait_for_selector("#result:not([hidden])")
    reached = []
    tab.evaluate("document.body.focus()")
    for _ in range(12):
        tab.keyboard.press("Tab")
        reached.append(tab.evaluate("document.activeElement.id || document.activeElement.name"))
    assert {"view", "copy", "format", "download", "text"} <= set(reached)
    tab.focus("input[name=view]:checked")
    tab.keyboard.press("ArrowRight")
    assert tab.get_attribute("#stage", "data-view") == "outlines"
    tab.focus("#copy")
    tab.keyboard.press("Enter")
    tab.wait_for_function("document.querySelector('#status').textContent.includes('copied')")
    assert tab.evaluate("navigator.clipboard.readText()") == "abc ca\nbb"


def test_a_document_is_shown_page_by_page(tab):
    sheets = [Image.fromarray(page(text)) for text in ("abc", "cc")]
    sheets[0].save(file := io.BytesIO(), "PDF", save_all=True, append_images=sheets[1:], resolution=300)
    drop(tab, "two.pdf", "application/pdf", file.getvalue())
    tab.wait_for_selector("#pages:not([hidden])")
    assert tab.locator("#text").text_content() == "abc"
    tab.click("#next")
    assert tab.locator("#text").text_content() == "cc"
    assert tab.evaluate("document.querySelector('#image').naturalWidth") == 420
    with tab.expect_download() as download:
        tab.click("#download")
    assert download.value.suggested_filename == "two.pdf"


def test_a_refusal_is_shown_in_its_sentence_and_the_next_file_is_read(tab):
    drop(tab, "note.txt", "text/plain", b"no image")
    assert (
        tab.wait_for_selector("#problem:not([hidden])").text_content()
        == "The file is neither an image nor a PDF."
    )
    drop(tab, "large.png", "image/png", 300_001)
    tab.wait_for_function("document.querySelector('#problem').textContent.includes('more than 300,000')")
    drop(tab, "none.png", "image/png", encoded(page("")))
    tab.wait_for_selector("#result:not([hidden])")
    assert tab.locator("#text").text_content() == "No text was found."
    assert tab.locator("#problem").is_hidden()


def test_texts_are_shown_as_texts(tab, service):
    """A name or text that looks like HTML stays one."""
    drop(tab, "<img src=x onerror=alert(1)>.png", "image/png", encoded(page("a")))
    tab.wait_for_selector("#result:not([hidden])")
    assert tab.locator("#status img").count() == 0
    assert "<img src=x" in tab.locator("#status").text_content()
