"""Names in annotations, and links, that lead out of a dataset's folder; names and labels in results."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from helpers.images import encoded

from ocr_trainer.data.types import Detections, Recognition
from ocr_trainer.errors import DataError
from ocr_trainer.formats.path_guard import PathGuard
from ocr_trainer.plugin.options import FolderConfig, ListedConfig
from ocr_trainer.results import Page, page_of
from ocr_trainer_runtime.results import hocr, json_file, page_xml

OPEN = """
import importlib, json, sys
from pathlib import Path
from ocr_trainer.plugin import discovery
from ocr_trainer.errors import DataError
from ocr_trainer.plugin import Context, Kind, Task

found, jobs = {}, json.loads(sys.argv[1])
opened = []
made = [(*job, discovery.resolve(Kind.dataset, job[0])) for job in jobs]
import cv2, PIL.Image; PIL.Image.init()
sys.addaudithook(lambda event, words: opened.append(str(words[0])) if event == "open" else None)
for name, task, root, factory in made:
    config = discovery.load(Kind.dataset, name).config(name=name, root=Path(root), val_share=0)
    context = Context(task=Task(task))
    read = 0
    try:
        dataset = factory(config, context)
        for split in filter(None, (dataset.train, dataset.val, dataset.test)):
            for index in range(len(split)):
                split[index]
                read += 1
    except DataError as error:
        context.data_report.skip_image(root, str(error))
    found[root] = [read, context.data_report.images, [str(entry) for entry in context.data_report.skipped]]
print(json.dumps([found, [path for path in opened if not path.isdigit()]]))
"""
QUAD = [[2, 2], [30, 2], [30, 20], [2, 20]]


def hostile(outside: Path) -> list[str]:
    """Names of images that must not be read; the first are there, outside."""
    return [
        *("../../outside/secret.png", str(outside / "secret.png"), "images/../../../outside/secret.png"),
        *("..\\..\\outside\\secret.png", "link.png", "linked/secret.png", "secret.png\0.png"),
        *("x" * 300 + ".png", "file:///etc/hostname", "images/./../link.png"),
    ]


def annotations(names: list[str]) -> dict[str, tuple[str, dict[str, str]]]:
    """For each dataset the task and the files that name images."""
    words = [{"transcription": "A", "points": QUAD}]
    instance = {"polygon": [2, 2, 30, 2, 30, 20, 2, 20], "text": "A", "ignore": False}
    mmocr = {"data_list": [{"img_path": n, "instances": [instance]} for n in names]}
    task = {"original_width": 48, "original_height": 32, "type": "rectanglelabels", "id": "a"}
    value = {"x": 5, "y": 5, "width": 50, "height": 50, "rectanglelabels": ["Text"]}
    studio = [
        {"data": {"ocr": n}, "annotations": [{"result": [{**task, "value": value, "from_name": "l"}]}]}
        for n in names
    ]
    rows = [n for n in names if "\n" not in n]
    xml = '<PcGts><Page imageFilename="{}" imageWidth="48" imageHeight="32"/></PcGts>'
    pages = {f"p{i}.xml": xml.format(n.replace("\0", "")) for i, n in enumerate(names)}
    return {
        "words": ("recognition", {"train.txt": "".join(f"{n}\tA\n" for n in rows)}),
        "paddleocr": ("detection", {"train.txt": "".join(f"{n}\t{json.dumps(words)}\n" for n in rows)}),
        "mmocr": ("detection", {"textdet_train.json": json.dumps(mmocr)}),
        "label_studio": ("detection", {"train.json": json.dumps(studio)}),
        "page_xml": ("detection", {f"page/{name}": text for name, text in pages.items()}),
        "sroie": ("detection", {"box/link.csv": "2,2,30,2,30,20,2,20,A\n", "train.txt": "\n".join(names)}),
        "lines": ("recognition", {"link.gt.txt": "A\n", "images/link.gt.txt": "A\n"}),
        "lmdb": ("recognition", {"train/x": ""}),
    }


def write(root: Path, outside: Path, files: dict[str, str]) -> None:
    """Make a dataset with links to what is outside beside its annotations."""
    for folder in ("images", "img", "box", "train"):
        (root / folder).mkdir(parents=True)
        (root / folder / "link.png").symlink_to(outside / "secret.png")
        (root / folder / "linked").symlink_to(outside)
    (root / "link.png").symlink_to(outside / "secret.png")
    for name, text in files.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def test_case_66_nothing_outside_a_dataset_is_opened(tmp_path: Path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.png").write_bytes(encoded("PNG"))
    (outside / "data.mdb").write_bytes(b"secret")
    # A folder that is reached by a link itself is the user's business.
    (tmp_path / "real").mkdir()
    (tmp_path / "sets").symlink_to(tmp_path / "real")
    jobs = []
    for name, (task, files) in annotations(hostile(outside)).items():
        root = tmp_path / "sets" / name
        write(root, outside, files)
        jobs.append((name, task, str(root)))
    done = subprocess.run(
        [sys.executable, "-c", OPEN, json.dumps(jobs)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    found, opened = json.loads(done.stdout.splitlines()[-1])
    real = [os.path.realpath(path) for path in opened]
    assert {name for name, _, root in jobs if any(f"/real/{name}/" in path for path in real)} >= {
        "words", "paddleocr", "mmocr", "label_studio", "page_xml", "sroie",
    }  # fmt: skip
    assert [path for path in real if path.startswith(str(outside)) or path.startswith("/etc/host")] == []
    for root, (read, images, skipped) in found.items():
        assert (read, images <= len(skipped)) == (0, True), (root, skipped)
    counted = {Path(root).name: images for root, (_, images, _) in found.items()}
    assert min(counted[name] for name in ("words", "paddleocr", "mmocr", "label_studio", "page_xml")) >= 9
    assert sum("behind a link" in entry for *_, skipped in found.values() for entry in skipped) >= 6


def test_case_66_links_within_a_dataset_and_those_that_the_user_trusts_are_followed(tmp_path: Path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root / "store", outside):
        folder.mkdir(parents=True)
        (folder / "a.png").touch()
    (root / "inside.png").symlink_to("store/a.png")
    (root / "out").symlink_to(outside)
    (root / "out.png").symlink_to(outside / "a.png")
    usual = PathGuard(root, FolderConfig(root=root))
    usual.check(root / "inside.png")
    for path in (root / "out.png", root / "out", root / "out" / "a.png", root / "out" / ".." / "x.png"):
        with pytest.raises(DataError, match="behind a link that leaves the dataset folder"):
            usual.check(path)
        PathGuard(root, FolderConfig(root=root, follow_links=True)).check(path)
    for images in (Path("out"), outside):  # named by the user
        named = PathGuard(root, ListedConfig(root=root, images=images))
        named.check(root / "out" / "a.png")
        named.check(outside / "a.png")
        with pytest.raises(DataError):
            named.check("/etc/hostname")


def test_case_66_a_root_relative_to_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.png").touch()
    for root in (Path(), Path("../" + tmp_path.name)):
        guard = PathGuard(root, FolderConfig(root=root))
        guard.check(root / "a.png")
        with pytest.raises(DataError):
            guard.check(root / ".." / "a.png")


EVIL = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "]]>&amp;</span>", "a\0\x1b[2J\ud800b"]


def evil_page(name: str, text: str) -> Page:
    found = Detections([np.array(QUAD, dtype=np.float32)], np.array([0.9], dtype=np.float32))
    return page_of(name, (32, 48), found, [Recognition(text, np.ones(len(text), dtype=np.float32), 0.9)])


def file_name(text: str) -> str:
    """What of a text a file can be called."""
    return text.replace("/", "").replace("\0", "").encode(errors="replace").decode() + ".png"


class Tags(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {key for key, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("text", EVIL)
def test_case_69_texts_and_file_names_are_escaped_in_hocr(text: str):
    page = Tags()
    page.feed(hocr.write(evil_page(file_name(text), text), "x"))
    assert page.tags == {"html", "head", "title", "meta", "body", "div", "span"}
    assert page.attributes == {"xmlns", "charset", "name", "content", "class", "id", "title"}
    assert "alert" not in text or "alert(1)" in page.text


@pytest.mark.parametrize("text", EVIL)
def test_case_69_texts_and_file_names_are_escaped_in_page_xml_and_json(text: str):
    name = file_name(text)
    root = ElementTree.fromstring(page_xml.write(evil_page(name, text), "x", datetime.now(UTC)))
    space = {"p": page_xml.NAMESPACE}
    clean = text.replace("\0", "\ufffd").replace("\x1b", "\ufffd").replace("\ud800", "\ufffd")
    assert {element.text for element in root.iterfind(".//p:Unicode", space)} == {clean}
    (page,) = root.iterfind("p:Page", space)
    assert page.attrib["imageFilename"] == name.replace("\x1b", "\ufffd")
    assert json.loads(json_file.write(evil_page(name, text)))["detections"][0]["text"] == text
