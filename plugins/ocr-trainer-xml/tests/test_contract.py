"""Both datasets keep the contract, on files made from the schemas."""

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from ocr_trainer.testing import DatasetSuite

PAGE = """<?xml version="1.0" encoding="UTF-8"?>
<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15">
  <Page imageFilename="{name}" imageWidth="48" imageHeight="32">
    <TextRegion id="r">
      <TextLine id="a"><Coords points="4,4 30,4 30,12 4,12 4,4"/><TextEquiv><Unicode>Gruß</Unicode></TextEquiv></TextLine>
      <TextLine id="b"><Coords points="4,16 30,16 30,24"/></TextLine>
      <TextLine id="c"><Baseline points="4,30 30,30"/></TextLine>
    </TextRegion>
  </Page>
</PcGts>"""

ALTO = """<?xml version="1.0" encoding="UTF-8"?>
<alto xmlns="http://www.loc.gov/standards/alto/ns-v4#">
  <Description>
    <MeasurementUnit>pixel</MeasurementUnit>
    <sourceImageInformation><fileName>{name}</fileName></sourceImageInformation>
  </Description>
  <Layout><Page WIDTH="48" HEIGHT="32"><PrintSpace><TextBlock>
    <TextLine HPOS="4" VPOS="4" WIDTH="26" HEIGHT="8"><String CONTENT="Gruß"/></TextLine>
    <TextLine><Shape><Polygon POINTS="4 16 30 16 30 24 4 16"/></Shape><String CONTENT=""/></TextLine>
    <TextLine BASELINE="4 30 30 30"/>
  </TextBlock></PrintSpace></Page></Layout>
</alto>"""


class XmlSuite(DatasetSuite):
    folder: ClassVar[str]
    document: ClassVar[str]

    @pytest.fixture(autouse=True)
    def root(self, tmp_path: Path) -> None:
        """Ten pictures of noise, each with two labels and a baseline that is none."""
        root = tmp_path / "pages"
        (root / self.folder).mkdir(parents=True)
        noise = np.random.default_rng(0).integers(256, size=(10, 32, 48, 3), dtype=np.uint8)
        for number, pixels in enumerate(noise):
            Image.fromarray(pixels).save(root / f"seite {number}.png")
            document = self.document.format(name=f"seite {number}.png")
            (root / self.folder / f"{number}.xml").write_text(document, encoding="utf-8")
        self.overrides = [f"dataset.root='{root}'", "dataset.test_share=0.2"]


class TestPageXml(XmlSuite):
    name = "page_xml"
    folder = "page"
    document = PAGE


class TestAltoXml(XmlSuite):
    name = "alto_xml"
    folder = "alto"
    document = ALTO


del XmlSuite, DatasetSuite
