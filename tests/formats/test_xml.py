"""XML made to grow, to fetch or to nest: refused before a word of it is followed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.readers import READERS

from ocr_trainer.errors import DataError

NAMES = ["page_xml", "page_xml texts", "alto_xml", "ctw1500 xml"]
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 11))
HOSTILE = {
    "billion laughs": f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]><x>&l10;</x>',
    "quadratic blowup": f'<!DOCTYPE x [<!ENTITY a "{"a" * 100_000}">]><x>{"&a;" * 10_000}</x>',
    "a file as entity": '<!DOCTYPE x [<!ENTITY e SYSTEM "file://{canary}">]><x>&e;</x>',
    "an address as entity": '<!DOCTYPE x [<!ENTITY e SYSTEM "http://localhost:9/x">]><x>&e;</x>',
    "an entity of parameters": '<!DOCTYPE x [<!ENTITY % e SYSTEM "file://{canary}"> %e;]><x/>',
    "a declaration elsewhere": '<!DOCTYPE x SYSTEM "file://{canary}"><x/>',
    "depth": "<x>" * 100_000 + "</x>" * 100_000,
    "attributes": "<x " + " ".join(f'a{n}=""' for n in range(100_000)) + "/>",
    "an encoding that is none": '<?xml version="1.0" encoding="rot13"?><x/>',
}
INCLUDED = '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file://{canary}" parse="text"/>'


@pytest.fixture(scope="module")
def events() -> list[str]:
    """Every file that is opened from now on, and every socket; hooks cannot be taken away again."""
    seen: list[str] = []

    def note(event: str, words: tuple[object, ...]) -> None:
        if event == "open":
            seen.append(str(words[0]))
        elif event.startswith("socket."):
            seen.append(event)

    sys.addaudithook(note)
    return seen


@pytest.fixture
def watched(tmp_path: Path, events: list[str]) -> Iterator[Path]:
    """A file that nobody may read; at the end, nobody has, and there was no socket."""
    canary = tmp_path / "canary.txt"
    canary.write_text("the secret", encoding="utf-8")
    assert str(canary) in events, "the watch does not work"
    events.clear()
    yield canary
    assert str(canary) not in events
    assert not [event for event in events if event.startswith("socket.")]
    assert events, "nothing was read at all"


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("name", NAMES)
def test_case_65_hostile_xml_is_refused_and_the_image_told_of(
    tmp_path: Path, watched: Path, name: str, kind: str
) -> None:
    READERS[name].lay(tmp_path)
    hostile = HOSTILE[kind].replace("{canary}", str(watched))
    try:
        samples, data_report = READERS[name].read(tmp_path, hostile.encode())
    except DataError as refused:
        told, samples = [str(refused)], []
    else:
        told = [entry.reason for entry in data_report.skipped if entry.what == "image"]
    assert not samples
    assert any(Path(READERS[name].file).name in reason for reason in told)
    assert max(map(len, told)) < 600


@pytest.mark.parametrize("name", NAMES)
def test_case_65_what_is_to_be_included_is_not(tmp_path: Path, watched: Path, name: str) -> None:
    READERS[name].lay(tmp_path)
    valid = READERS[name].valid
    included = INCLUDED.format(canary=watched).encode()
    assert b"TOTAL" in valid
    places = {
        b"<TextEquiv>": included + b"<TextEquiv>",
        b"<SP/>": included,
        b"<label>": included + b"<label>",
    }
    hostile = valid
    for place, instead in places.items():
        hostile = hostile.replace(place, instead)
    assert hostile != valid
    (sample, *_), _ = READERS[name].read(tmp_path, hostile)
    assert "the secret" not in str(getattr(sample, "texts", None) or sample.text)
