"""XML of unknown origin: what is wrong is said with its place, and nothing else is opened."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ocr_trainer_xml.document import to_points

from ocr_trainer.errors import DataError
from ocr_trainer.formats import xml_files
from ocr_trainer.formats.xml_files import read_elements

FUZZ = settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])

LAUGHS = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 30))
BILLION_LAUGHS = f'<!DOCTYPE alto [<!ENTITY l0 "lol">{LAUGHS}]><alto>&l29;</alto>'


def write(tmp_path: Path, content: bytes | str) -> Path:
    path = tmp_path / "x.xml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_elements_come_with_line_and_text_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        '<p:a xmlns:p="urn:x">\n <p:b k="1&amp;2">t<!-- no -->&#252;<![CDATA[<x>]]></p:b>\n\n <c/></p:a>\n',
    )
    a, b, c = read_elements(path)
    assert [(e.tag, e.line, e.text) for e in (b, c)] == [("b", 2, "tü<x>"), ("c", 4, "")]
    assert a.children == [b, c]
    assert b.attributes == {"k": "1&2"}
    assert (a.first("c"), a.all("b"), a.first("d")) == (c, [b], None)
    assert read_elements(path, until="b")[-1].tag == "b"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is not XML: line 1, column 1: no element found"),
        ("<a>\n  <b></a>", "is not XML: line 2, column 8: mismatched tag"),
        ("<a>\n<b>", "is not XML: line 2, column 4: no element found"),
        ("<a>\n&nbsp;</a>", "is not XML: line 2, column 1: undefined entity"),
        (b"<a>caf\xe9</a>", "is not XML: line 1, column 7: not well-formed (invalid token)"),
        ('<?xml version="1.0" encoding="klingon"?><a/>', "is XML in an encoding that cannot be read: "),
        ('<?xml version="1.0" encoding="shift_jis"?><a/>', "is XML in an encoding that cannot be read: "),
        ("<a>" * 101 + "</a>" * 101, "has more than 100 levels of elements"),
        (BILLION_LAUGHS, "declares a document type (line 1), which lets a file grow without limit"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(
    tmp_path: Path, content: bytes | str, message: str
) -> None:
    path = write(tmp_path, content)
    with pytest.raises(DataError) as caught:
        read_elements(path)
    assert f"'{path}' {message}" in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1", "windows-1252"])
def test_declared_encodings_are_read(tmp_path: Path, encoding: str) -> None:
    declared = encoding.removesuffix("-sig")
    text = f'<?xml version="1.0" encoding="{declared}"?>\r\n<a>Größe</a>'
    assert read_elements(write(tmp_path, text.encode(encoding)))[0].text == "Größe"


def test_limits_of_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "<a><b/><b/></a>")
    monkeypatch.setattr(xml_files, "ELEMENT_LIMIT", 2)
    with pytest.raises(DataError, match="has more than 2 elements"):
        read_elements(path)
    monkeypatch.setattr(xml_files, "SIZE_LIMIT", 10)
    with pytest.raises(DataError, match=r"x\.xml' has more than 0 MiB"):
        read_elements(path)
    with pytest.raises(DataError, match=r"cannot read '.*gone\.xml': No such file"):
        read_elements(tmp_path / "gone.xml")


@pytest.fixture(scope="module")
def watch() -> list[str]:
    """What is opened from here on; an audit hook can never be taken away again."""
    seen: list[str] = []

    def note(event: str, details: tuple) -> None:
        if event == "open" and not isinstance(details[0], int):
            seen.append(os.fsdecode(details[0]))
        elif event.startswith("socket."):
            seen.append(event)

    sys.addaudithook(note)
    return seen


@pytest.fixture
def opened(watch: list[str]) -> list[str]:
    watch.clear()
    return watch


def test_the_watch_works(tmp_path: Path, opened: list[str]) -> None:
    (tmp_path / "x").touch()
    (tmp_path / "x").read_bytes()
    socket.socket().close()
    assert str(tmp_path / "x") in opened
    assert "socket.__new__" in opened


@pytest.mark.parametrize(
    "declaration",
    [
        '<!DOCTYPE a [<!ENTITY e SYSTEM "{0}">]><a>&e;</a>',
        '<!DOCTYPE a [<!ENTITY e SYSTEM "http://localhost:9/x">]><a>&e;</a>',
        '<!DOCTYPE a SYSTEM "{0}"><a/>',
        '<!DOCTYPE a [<!ENTITY % e SYSTEM "{0}"> %e;]><a/>',
        '<?xml-stylesheet href="{0}"?><a xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="{0}"/></a>',
    ],
)
def test_nothing_that_a_file_points_to_is_opened(tmp_path: Path, opened: list[str], declaration: str) -> None:
    canary = tmp_path / "canary.txt"
    canary.write_text("the secret", encoding="utf-8")
    path = write(tmp_path, declaration.format(canary.as_uri()))
    opened.clear()
    if "DOCTYPE" in declaration:
        with pytest.raises(DataError, match=r"declares a document type \(line 1\)"):
            read_elements(path)
    else:
        assert "the secret" not in "".join(element.text for element in read_elements(path))
    assert opened == [str(path)]


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("1,2 3,4", [(1, 2), (3, 4)]),
        (" 1,2\n\t3.5,-4e0 ", [(1, 2), (3.5, -4)]),
        ("1 2 3 4", [(1, 2), (3, 4)]),
        ("", []),
    ],
)
def test_points(text: str, points: list[tuple[float, float]]) -> None:
    assert to_points(text) == points


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2 3", "'3' is not a point x,y"),
        ("1 2 3", "'3' is not a point x,y"),
        ("1,2,3 4", "'1,2,3' is not a point x,y"),
        ("1,2 3,x", "'x' is not a number"),
        (",", "'' is not a number"),
    ],
)
def test_what_are_no_points(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        to_points(text)


names = st.sampled_from(["a", "b", "Page", "alto"])
# XML has neither surrogates, nor control characters, nor these two.
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=9)
trees = st.recursive(
    st.tuples(names, st.dictionaries(names, texts), texts),
    lambda inner: st.tuples(names, st.dictionaries(names, texts), st.lists(inner, min_size=1, max_size=3)),
)


def build(tree: tuple) -> ElementTree.Element:
    tag, attributes, content = tree
    element = ElementTree.Element(tag, attributes)
    if isinstance(content, str):
        element.text = content
    else:
        element.extend(map(build, content))
    return element


@FUZZ
@given(trees)
def test_what_another_library_writes_is_read_alike(tmp_path: Path, tree: tuple) -> None:
    root = build(tree)
    found = read_elements(write(tmp_path, ElementTree.tostring(root, encoding="utf-8")))
    expected = [(e.tag, e.attrib, [c.tag for c in e], "" if len(e) else e.text or "") for e in root.iter()]
    assert [(e.tag, e.attributes, [c.tag for c in e.children], e.text) for e in found] == expected


@FUZZ
@given(
    st.binary(max_size=200) | st.text(st.sampled_from('<>/!?&;"=[]-% aPD\0\n'), max_size=80).map(str.encode)
)
def test_random_bytes_are_read_or_refused(tmp_path: Path, data: bytes) -> None:
    try:
        elements = read_elements(write(tmp_path, data))
    except DataError:
        return
    assert elements
