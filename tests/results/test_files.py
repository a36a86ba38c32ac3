"""A writer that fails costs its own file of that image: the others are written, and none is half written."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import fakes
from helpers.pages import page as page_without_image

from ocr_trainer.config.plugin_options import plugin_config
from ocr_trainer.errors import ConfigError, PluginBroken
from ocr_trainer.plugin import Config, Kind, WriterPlugin
from ocr_trainer.results import Page
from ocr_trainer.results.files import ResultFiles
from ocr_trainer.results.formats import MAX_CONSECUTIVE

SOURCE = """
from __future__ import annotations
from dataclasses import dataclass
from ocr_trainer.plugin import Config, FilePer, WriterPlugin, option

@dataclass
class CsvConfig(Config):
    '''Words as CSV.'''

    delimiter: str = ","
    '''Between two fields.'''
    fails: list[int] = option([], at_least=1)
    '''At which pages, from 1, it fails.'''
    how: str = "fail"
    '''How.'''

cells = WriterPlugin(api=1, summary="cells", config=CsvConfig, factory="acme_heavy:Csv", suffix=".cells")
book = WriterPlugin(
    api=1, summary="book", config=CsvConfig, factory="acme_heavy:Book", suffix=".book", file_per=FilePer.document
)
whole = WriterPlugin(
    api=1, summary="whole", config=CsvConfig, factory="acme_heavy:Book", suffix=".whole", file_per=FilePer.run
)
xml = WriterPlugin(api=1, summary="xml", config=Config, factory="acme_heavy:Csv", suffix=".XML")
no_writer = WriterPlugin(api=1, summary="none", config=Config, factory="acme_heavy:dict", suffix=".d")
"""
HEAVY = """
from ocr_trainer.errors import DataError
from ocr_trainer_runtime.results.writer import Writer

def fail(page, image):
    raise ValueError("no\\nluck")

def refuse(page, image):
    raise DataError("too many words")

def leave(page, image):
    raise SystemExit(1)

def draw(page, image):
    image[0] = 0

def give(page, image):
    return [1]

def gray(page, image):
    return image[..., 0].copy()

def surrogate(page, image):
    return "\\ud800"

class Csv(Writer):
    pages = 0

    def write(self, page, image):
        self.pages += 1
        if self.pages in getattr(self.config, "fails", ()):
            return globals()[self.config.how](page, image)
        cells = ((word.text for word in line) for block in page.blocks for line in block)
        return "".join(f"{self.config.delimiter.join(row)}\\n" for row in cells)

class Book(Csv):
    def join(self, files, joined):
        if self.config.how == "join":
            raise ValueError("torn")
        for name, path in files.items():
            joined.write(f"{name}: {path.read_text()}".encode())

def dict(config, context):
    return {}
"""
IMAGE = np.full((300, 400, 3), 255, np.uint8)


def page(*texts: str, source: str = "a.png") -> Page:
    found = page_without_image(*texts, source=source)
    found.load_image = lambda: IMAGE
    return found


ACME = "the writer 'cells' (acme-writers 1.0)"


@pytest.fixture(autouse=True)
def _acme(tmp_path: Path) -> Iterator[None]:
    folder = tmp_path / "acme"
    with fakes.visible(folder):
        names = "".join(f"{n} = {{}}:{n}\n" for n in ("cells", "book", "whole", "xml", "no_writer"))
        fakes.install(folder, "acme-writers", f"[ocr_trainer.writers]\n{names}", SOURCE)
        (folder / "acme_heavy.py").write_text(HEAVY, encoding="utf-8")
        yield


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def files(out: Path, *formats: str, **options: Any) -> ResultFiles:
    own = {name: options if name.rpartition(":")[2] in ("cells", "book", "whole") else {} for name in formats}
    return ResultFiles(out, {name: plugin_config(Kind.writer, name, own[name]) for name in formats})


def names(out: Path) -> list[str]:
    return sorted(path.name for path in out.iterdir())


def test_a_writer_of_another_distribution_writes_its_files(out: Path):
    made = files(out, "acme-writers:cells", "json", delimiter=";")
    made.write("a", page("one", "two", "three"))
    made.finish()
    assert names(out) == ["a.cells", "a.json"]
    assert (out / "a.cells").read_bytes() == b"one;two\nthree\n"


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("fail", "ValueError: no luck"),
        ("refuse", "too many words"),
        ("leave", "SystemExit: 1"),
        ("draw", "ValueError: assignment destination is read-only"),
        ("give", "TypeError: it returns a list, but must return str, bytes or an image"),
        ("gray", "TypeError: it returns an array of uint8 of shape (300, 400); an image is"),
        ("surrogate", "UnicodeEncodeError: "),
    ],
)
def test_a_failure_on_page_3_costs_one_file(how: str, reason: str, out: Path, caplog):
    (out / "3.cells").write_text("of an earlier command")
    made = files(out, "cells", "json", "text", "overlay", fails=[3], how=how)
    for number in range(1, 6):
        made.write(str(number), page("one", source=f"scans/{number}.png"))
    suffixes = (".cells", ".json", ".overlay.png", ".txt")
    assert names(out) == [f"{n}{s}" for n in range(1, 6) for s in suffixes if f"{n}{s}" != "3.cells"]
    assert IMAGE.min() == 255
    (warning,) = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert warning.startswith(f"{ACME} failed for scans/3.png: {reason}")
    with pytest.raises(PluginBroken) as raised:
        made.finish()
    first, second = str(raised.value).splitlines()
    assert first == "some result files were not written:"
    assert second.startswith(f"  {ACME} wrote no file for 1 image; first scans/3.png: {reason}")


def test_a_writer_that_fails_again_and_again_is_off(out: Path, caplog):
    made = files(out, "cells", "json", fails=[1, 2, *range(4, 1000)])
    for number in range(1, 31):
        made.write(str(number), page("one"))
    assert names(out) == sorted(["3.cells", *(f"{n}.json" for n in range(1, 31))])
    told = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len(told) == 2 + MAX_CONSECUTIVE + 1
    assert told[-1] == f"{ACME} is now off: it failed for {MAX_CONSECUTIVE} images in a row"
    with pytest.raises(
        PluginBroken, match=r"wrote no file for 29 images \(17 of them while it was off\); first"
    ):
        made.finish()


def test_a_full_disk_is_no_failure_of_a_writer(out: Path, monkeypatch: pytest.MonkeyPatch):
    made = files(out, "cells")
    made.write("a", page("one"))

    def full(path: Path, mode: str) -> Any:
        path.touch()
        raise OSError(28, "No space left on device")

    two = page("two")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        with pytest.raises(OSError, match="No space left"):
            made.write("a", two)
    assert names(out) == ["a.cells"]
    assert (out / "a.cells").read_text() == "one\n"


def test_formats_that_cannot_be_together(out: Path):
    with pytest.raises(
        ConfigError, match=r"^the formats 'page' and 'xml' both write files that end with .XML: "
    ):
        files(out, "page", "xml")
    with pytest.raises(PluginBroken, match="its factory returns a dict, which cannot be used as a writer"):
        files(out, "no_writer")
    with pytest.raises(ConfigError, match=r"fails\[0\] must be at least 1"):
        files(out, "cells", fails=[0])


@pytest.mark.parametrize("suffix", ["json", ".", "./json", "../x", ".a/b", ""])
def test_a_suffix_makes_a_file_beside_the_others(suffix: str):
    with pytest.raises(ValueError, match=r"must be like '\.json'"):
        WriterPlugin(api=1, summary="", config=Config, factory="a:b", suffix=suffix)


def test_a_writer_is_imported_only_when_it_is_chosen(out: Path):
    code = f"""
import sys
from pathlib import Path
from ocr_trainer.config.plugin_options import plugin_config
from ocr_trainer.plugin import Kind
from ocr_trainer.results.files import ResultFiles
ResultFiles(Path({str(out)!r}), {{"tsv": plugin_config(Kind.writer, "tsv", {{}})}})
print(*(name.rpartition(".")[2] for name in sys.modules if name.startswith("ocr_trainer_runtime.results.")))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    loaded = set(done.stdout.split())
    assert "tsv" in loaded
    assert loaded.isdisjoint({"alto", "hocr", "page_xml", "json_file", "plain", "draw"})


def write_documents(made: ResultFiles) -> None:
    """Write an image, a document of three pages, another image, and a document of one page."""
    for name, document in [("a", None), *((f"b-{n}", "b") for n in (1, 2, 3)), ("c", None), ("d-1", "d")]:
        made.write(name, page(f"text of {name}", source=f"scans/{name}"), document)


def test_files_of_documents_and_of_the_run_are_joined(out: Path):
    made = files(out, "book", "whole", "cells")
    write_documents(made)
    # Documents that are complete are there, whatever becomes of the rest.
    assert [name for name in names(out) if name.endswith(".book")] == ["a.book", "b.book", "c.book"]
    made.finish()
    assert (out / "b.book").read_text() == "".join(f"b-{n}: text of b-{n}\n" for n in (1, 2, 3))
    assert (out / "a.book").read_text() == "a: text of a\n"
    assert (out / "d.book").read_text() == "d-1: text of d-1\n"
    whole = [f"{name}: text of {name}\n" for name in ("a", "b-1", "b-2", "b-3", "c", "d-1")]
    assert (out / "predictions.whole").read_text() == "".join(whole)
    pages = ["a", "b-1", "b-2", "b-3", "c", "d-1"]
    books = ["a.book", "b.book", "c.book", "d.book", "predictions.whole"]
    assert names(out) == sorted([f"{name}.cells" for name in pages] + books)


def test_a_page_that_fails_is_left_out_of_its_document(out: Path, caplog):
    (out / "a.book").write_text("of an earlier command")
    made = files(out, "book", fails=[1, 3])
    write_documents(made)
    with pytest.raises(
        PluginBroken, match=r"acme-writers 1.0\) left out 2 images; first scans/a: ValueError: no"
    ):
        made.finish()
    assert (out / "b.book").read_text() == "b-1: text of b-1\nb-3: text of b-3\n"
    assert names(out) == ["b.book", "c.book", "d.book"]


def test_a_writer_that_cannot_join_costs_its_file(out: Path, caplog):
    (out / "predictions.whole").write_text("of an earlier command")
    made = files(out, "whole", "json", how="join")
    write_documents(made)
    with pytest.raises(PluginBroken, match=r"left out 6 images; first predictions.whole: ValueError: torn$"):
        made.finish()
    assert names(out) == sorted(f"{name}.json" for name in ("a", "b-1", "b-2", "b-3", "c", "d-1"))


def test_nothing_is_left_of_files_that_were_not_completed(out: Path):
    def interrupted() -> None:
        with files(out, "whole", "book") as made:
            write_documents(made)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert names(out) == ["a.book", "b.book", "c.book"]


def test_a_full_disk_while_files_are_joined(out: Path, monkeypatch: pytest.MonkeyPatch):
    made = files(out, "whole")
    made.write("a", page("one"))

    def full(path: Path, target: Path) -> Any:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(OSError, match="No space left"):
            made.finish()
    assert names(out) == []
