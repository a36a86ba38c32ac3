import io
from pathlib import Path

import lmdb
import numpy as np
import pytest
from PIL import Image

from ocr_trainer.testing import TextDatasetSuite


class TestLmdb(TextDatasetSuite):
    name = "lmdb"

    @pytest.fixture(autouse=True)
    def root(self, tmp_path: Path) -> None:
        """Two LMDBs of ten noise images each."""
        root = tmp_path / "crops"
        noise = np.random.default_rng(0).integers(256, size=(2, 10, 16, 48, 3), dtype=np.uint8)
        for folder, images in zip(("MJ", "ST"), noise, strict=True):
            (root / folder).mkdir(parents=True)
            with (
                lmdb.open(str(root / folder), map_size=1 << 24) as environment,
                environment.begin(write=True) as t,
            ):
                t.put(b"num-samples", b"10")
                for number, pixels in enumerate(images, start=1):
                    file = io.BytesIO()
                    Image.fromarray(pixels).save(file, "PNG")
                    t.put(b"image-%09d" % number, file.getvalue())
                    t.put(b"label-%09d" % number, f"영수증 {number}".encode())
        self.overrides = ["model=crnn", f"dataset.root='{root}'", "dataset.test_share=0.2"]


del TextDatasetSuite
