"""Lines and words cut out of pages, for a recognizer."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from ocr_trainer_xml.alto import AltoXml
from ocr_trainer_xml.page import PageXml
from ocr_trainer_xml.plugin import AltoXmlConfig, Level, PageXmlConfig
from PIL import Image as Pillow

from ocr_trainer.errors import ConfigError
from ocr_trainer.plugin import Context, Task
from ocr_trainer.testing import TextDatasetSuite

DATA = Path(os.environ.get("OCR_TRAINER_DATA", Path(__file__).parents[4] / "shared" / "data"))
with_data = pytest.mark.skipif(not DATA.is_dir(), reason="there are no data (OCR_TRAINER_DATA)")

PAGE = """<PcGts><Page imageFilename="a.png" imageWidth="48" imageHeight="32"><TextRegion id="r">
<TextLine id="a"><Coords points="4,4 30,4 30,12 4,12"/>
  <Word><Coords points="4,4 14,4 14,12 4,12"/><TextEquiv><Unicode>Gruß</Unicode></TextEquiv></Word>
  <Word><Coords points="16,4 30,4 30,12 16,12"/><TextEquiv><Unicode>an</Unicode></TextEquiv></Word>
</TextLine>
<TextLine id="b"><Coords points="4,16 30,16 30,24 4,24"/><TextEquiv><Unicode> </Unicode></TextEquiv></TextLine>
</TextRegion></Page></PcGts>"""


def opened(name: str, root: Path, **options: Any) -> tuple[Any, Context]:
    context = Context(task=Task.recognition)
    config = (PageXmlConfig if name == "page_xml" else AltoXmlConfig)(name=name, root=root, **options)
    return (PageXml if name == "page_xml" else AltoXml)(config, context), context


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(256, size=(10, 32, 48, 3), dtype=np.uint8)
    for number in range(10):
        Pillow.fromarray(pixels[number]).save(tmp_path / f"{number}.png")
        (tmp_path / f"{number}.xml").write_text(PAGE.replace("a.png", f"{number}.png"), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(("level", "texts"), [(Level.line, ["Gruß an"]), (Level.word, ["Gruß", "an"])])
def test_lines_or_words_are_cut_out(pages: Path, level: Level, texts: list[str]) -> None:
    dataset, context = opened("page_xml", pages, level=level, val_share=0.2)
    assert list(dataset.train.texts)[: len(texts)] == texts
    assert len(dataset.train) + len(dataset.val) == 10 * len(texts)
    assert dataset.test is None
    sample = dataset.train[0]
    page = np.asarray(Pillow.open(sample.source.partition("#")[0]))
    assert sample.text == texts[0]
    assert abs(sample.image.shape[0] - 8) <= 1
    assert abs(sample.image.shape[1] - (26 if level is Level.line else 10)) <= 1
    # What is cut out of an upright box is its pixels; in the middle, however the rim is cut.
    inside = page[6:10, 6:12].astype(int)
    height, width = sample.image.shape[:2]
    shifts = [
        sample.image[y : y + 4, x : x + 6].astype(int) for y in range(height - 3) for x in range(width - 5)
    ]
    assert min(np.abs(shift - inside).mean() for shift in shifts) < 40
    if level is Level.line:
        reasons = {entry.reason for entry in context.data_report.skipped}
        assert (len(context.data_report.skipped), reasons) == (10, {"label 2: the text is empty"})


def test_regions_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    message = "a recognizer reads lines or words, not regions of many lines: dataset.level=line"
    with pytest.raises(ConfigError, match=re.escape(message)):
        opened("page_xml", tmp_path, level=Level.region)


def unicode_lines(file: Path) -> list[str]:
    """Return the texts of the lines of a PAGE file that have one, read by other means."""
    tree = ElementTree.parse(file).getroot()
    name = tree.tag.partition("}")[0] + "}"
    lines = [line.find(f"{name}TextEquiv/{name}Unicode") for line in tree.iter(f"{name}TextLine")]
    return [line.text.strip() for line in lines if line is not None and line.text and line.text.strip()]


@with_data
def test_real_pages() -> None:
    folder = next((DATA / "handwriting_timeus_alto_page").glob("*/"))
    files = sorted(folder.rglob("*.xml"))
    expected = sorted(text for file in files if b"PcGts" in file.read_bytes() for text in unicode_lines(file))
    dataset, context = opened("page_xml", folder, val_share=0)
    assert sorted(dataset.train.texts) == expected
    assert len(expected) > 100
    assert all(dataset.train[n].image.size for n in (0, len(dataset.train) // 2, len(dataset.train) - 1))
    altos, _ = opened("alto_xml", folder, val_share=0)
    assert abs(len(altos.train) - len(expected)) <= len(expected) // 20
    assert context.data_report.images > 0


class TestPageXmlLines(TextDatasetSuite):
    name = "page_xml"

    @pytest.fixture(autouse=True)
    def root(self, pages: Path) -> None:
        """Ten pages of noise with two lines each, one of them without text."""
        self.overrides = ["model=crnn", f"dataset.root='{pages}'", "dataset.test_share=0.2"]


del TextDatasetSuite
