"""A split of pages gives its texts one by one."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from ocr_trainer.compose import compose
from ocr_trainer.errors import ConfigError, DataError
from ocr_trainer.formats.annotations import Labels
from ocr_trainer.formats.crops import Crops, cut
from ocr_trainer.formats.labelled import LabelledImages
from ocr_trainer.plugin import Ledger
from ocr_trainer.testing import TextDatasetSuite
from ocr_trainer.training.samples import Sample

DATA = Path(os.environ.get("OCR_TRAINER_DATA", Path(__file__).parents[2] / "shared" / "data"))
RECEIPTS = DATA / "receipts_sroie2019"

NOISE = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
BOX = np.array([[20, 30], [79, 30], [79, 49], [20, 49]], np.float32)
"""Names columns 20 to 79 and rows 30 to 49."""


def pages(folder: Path) -> LabelledImages:
    """Three pages of four labels: two texts, one that is "don't care", one beyond the page; the last is gone."""

    def labelled(number: int) -> tuple[Path, Labels]:
        file = folder / f"{number}.png"
        if number < 2:
            Pillow.fromarray(NOISE if number else NOISE[:, :, [0, 0, 0]]).save(file)
        polygons = [BOX, BOX + 40, BOX + 10, BOX + 500]
        texts = ["first", "a second text of more than forty characters", "third", "fourth"]
        return file, Labels(polygons, texts, [False, False, True, False])

    return LabelledImages(labelled(number) for number in range(3))


def test_each_label_is_one_sample(tmp_path: Path):
    crops = Crops(pages(tmp_path), Ledger())
    assert len(crops) == 9
    assert list(crops.texts)[:4] == [
        "first",
        "a second text of more than forty characters",
        "fourth",
        "first",
    ]
    np.testing.assert_array_equal(crops[4].image, NOISE[70:90, 60:120])
    assert crops[4].source == f'{tmp_path}/1.png#2 "a second text of more than forty charact…"'
    with pytest.raises(DataError, match=r"0\.png#4' cannot be cut out: it lies outside the image"):
        crops[2]
    with pytest.raises(DataError, match=r"cannot read the image '.*2\.png'"):
        crops[6]
    with pytest.raises(IndexError):
        crops[9]


@pytest.mark.parametrize("cache_mb", [0, 1, 256])
def test_what_is_kept_is_what_is_cut(tmp_path: Path, cache_mb: int):
    crops, plain = Crops(pages(tmp_path), Ledger(), 0.1, cache_mb=cache_mb), pages(tmp_path)
    for index in (0, 3, 1, 4, 0, 3):
        sample = crops[index]
        page, place = divmod(index, 3)
        np.testing.assert_array_equal(sample.image, cut(plain[page].image, plain[page].polygons[place], 0.1))
        sample.image[:] = 0  # it is the caller's
    again = pickle.loads(pickle.dumps(crops))
    np.testing.assert_array_equal(again[4].image, crops[4].image)


def test_a_plain_sequence_of_samples_will_do():
    ledger = Ledger()
    samples = [Sample(NOISE, [BOX, BOX + 40, BOX], ["a", " ", "b"], np.array([0, 0, 1]), "made")]
    crops = Crops(samples, ledger)
    assert [(sample.text, sample.source) for sample in crops] == [("a", 'image 0#1 "a"')]
    assert [str(entry) for entry in ledger.skipped] == ["image 0: label 2: the text is empty"]


def test_small_texts_are_left_out_and_counted(tmp_path: Path):
    ledger = Ledger()
    assert len(Crops(pages(tmp_path), ledger, min_height=20)) == 0
    assert (
        str(ledger.skipped[0]) == f"{tmp_path}/0.png: label 1: it is 19 pixels high, less than min_height=20"
    )
    assert len(Crops(pages(tmp_path), Ledger(), min_height=19, min_width=59)) == 9
    assert len(Crops(pages(tmp_path), Ledger(), min_width=60)) == 0


def test_outlines_that_begin_anywhere_are_told_by_their_number(tmp_path: Path):
    Pillow.fromarray(NOISE).save(tmp_path / "a.png")
    turned = Labels([np.roll(BOX, turn, axis=0) for turn in (0, 1, 2, 3)], list("abcd"), [False] * 4)
    crops = Crops(LabelledImages([(tmp_path / "a.png", turned)]), Ledger())
    for sample in crops:
        np.testing.assert_array_equal(sample.image, NOISE[30:50, 20:80])
    assert Crops(LabelledImages([(tmp_path / "a.png", turned)]), Ledger(), ordered=True)[1].image.shape == (
        60,
        20,
        3,
    )


@pytest.mark.skipif(
    not RECEIPTS.exists(), reason="receipts_sroie2019 is not among the data (OCR_TRAINER_DATA)"
)
class TestContract(TextDatasetSuite):
    name = "crops"
    overrides = ("model=crnn", "dataset.of.name=sroie", f"dataset.of.root={RECEIPTS}")


def test_it_is_made_of_a_detection_dataset():
    with pytest.raises(ConfigError, match=r"dataset\.of\.name must be given"):
        compose(["model=crnn", "dataset=crops"])
    with pytest.raises(ConfigError, match=r"dataset\.of=crops offers recognition"):
        compose(["model=crnn", "dataset=crops", "dataset.of.name=crops", "dataset.of.of.name=synthetic"])
