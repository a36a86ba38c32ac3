"""A split of pages gives its texts one by one."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from ocr_trainer.config.compose import compose
from ocr_trainer.data.types import Sample
from ocr_trainer.errors import ConfigError, DataError
from ocr_trainer.formats.annotations import Labels
from ocr_trainer.formats.crops import Crops, cut
from ocr_trainer.formats.labeled import LabeledImages
from ocr_trainer.plugin import Context, DataReport, Kind, Task
from ocr_trainer.plugin.build import build
from ocr_trainer.testing import TextDatasetSuite

DATA = Path(os.environ.get("OCR_TRAINER_DATA", Path(__file__).parents[3] / "shared" / "data"))
RECEIPTS = DATA / "receipts_sroie2019"

NOISE = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
BOX = np.array([[20, 30], [79, 30], [79, 49], [20, 49]], np.float32)
"""Names columns 20 to 79 and rows 30 to 49."""


def pages(folder: Path) -> LabeledImages:
    """Three pages of four labels: two texts, one that is "don't care", one beyond the page; the last is gone."""

    def labeled(number: int) -> tuple[Path, Labels]:
        file = folder / f"{number}.png"
        if number < 2:
            Pillow.fromarray(NOISE if number else NOISE[:, :, [0, 0, 0]]).save(file)
        polygons = [BOX, BOX + 40, BOX + 10, BOX + 500]
        texts = ["first", "a second text of more than forty characters", "third", "fourth"]
        return file, Labels(polygons, texts, [False, False, True, False])

    return LabeledImages(labeled(number) for number in range(3))


def test_each_label_is_one_sample(tmp_path: Path):
    crops = Crops(pages(tmp_path), DataReport())
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
    crops, plain = Crops(pages(tmp_path), DataReport(), 0.1, cache_mb=cache_mb), pages(tmp_path)
    for index in (0, 3, 1, 4, 0, 3):
        sample = crops[index]
        page, place = divmod(index, 3)
        np.testing.assert_array_equal(sample.image, cut(plain[page].image, plain[page].polygons[place], 0.1))
        sample.image[:] = 0  # it is the caller's
    again = pickle.loads(pickle.dumps(crops))
    np.testing.assert_array_equal(again[4].image, crops[4].image)


def test_a_plain_sequence_of_samples_will_do():
    data_report = DataReport()
    samples = [Sample(NOISE, [BOX, BOX + 40, BOX], ["a", " ", "b"], np.array([0, 0, 1]), "made")]
    crops = Crops(samples, data_report)
    assert [(sample.text, sample.source) for sample in crops] == [("a", 'image 0#1 "a"')]
    assert [str(entry) for entry in data_report.skipped] == ["image 0: label 2: the text is empty"]


def test_small_texts_are_left_out_and_counted(tmp_path: Path):
    data_report = DataReport()
    assert len(Crops(pages(tmp_path), data_report, min_height=20)) == 0
    assert (
        str(data_report.skipped[0])
        == f"{tmp_path}/0.png: label 1: it is 19 pixels high, less than min_height=20"
    )
    assert {entry.what for entry in data_report.skipped} == {
        "text"
    }  # wanted so, which is no fault of a label
    assert len(Crops(pages(tmp_path), DataReport(), min_height=19, min_width=59)) == 9
    assert len(Crops(pages(tmp_path), DataReport(), min_width=60)) == 0


def test_outlines_that_begin_anywhere_are_told_by_their_number(tmp_path: Path):
    Pillow.fromarray(NOISE).save(tmp_path / "a.png")
    turned = Labels([np.roll(BOX, turn, axis=0) for turn in (0, 1, 2, 3)], list("abcd"), [False] * 4)
    crops = Crops(LabeledImages([(tmp_path / "a.png", turned)]), DataReport())
    for sample in crops:
        np.testing.assert_array_equal(sample.image, NOISE[30:50, 20:80])
    assert Crops(LabeledImages([(tmp_path / "a.png", turned)]), DataReport(), ordered=True)[
        1
    ].image.shape == (
        60,
        20,
        3,
    )


def test_longer_outlines_that_begin_anywhere_are_told_too(tmp_path: Path):
    Pillow.fromarray(NOISE).save(tmp_path / "a.png")
    line = np.insert(BOX, [1, 3], [[50, 30], [50, 49]], axis=0)
    turned = Labels([np.roll(line, turn, axis=0) for turn in (0, 1, 2, 3)], list("abcd"), [False] * 4)
    crops = Crops(LabeledImages([(tmp_path / "a.png", turned)]), DataReport())
    assert not crops.ordered
    for sample in crops:
        np.testing.assert_array_equal(sample.image, NOISE[30:50, 20:80])


def test_all_splits_are_cut_as_the_first_is(tmp_path: Path):
    for split, turn in (("train", 2), ("val", 0)):
        Pillow.fromarray(NOISE).save(tmp_path / f"{split}.png")
        words = [{"points": np.roll(BOX, turn, axis=0).tolist(), "text": "a"}]
        (tmp_path / f"{split}.jsonl").write_text(json.dumps({"image": f"{split}.png", "words": words}))
    config = compose(["model=crnn", "dataset=crops", "dataset.of.name=jsonl", f"+dataset.of.root={tmp_path}"])
    dataset = build(Kind.dataset, config.dataset, Context(task=Task.recognition))
    assert dataset.val.ordered is dataset.train.ordered is False


class Endless(Sequence[Sample]):
    """Two samples over and over, as `concat` has them in training."""

    endless = True

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Sample:
        return Sample(NOISE, [BOX], [f"text {index}"], np.zeros(1), "made")

    def name_of(self, index: int) -> str:
        return f"page {index % 2}"


class EndlessLabelled(Endless):
    def labels(self, index: int) -> Labels:
        return Labels([BOX], [f"text {index}"], [False])


def test_a_split_that_tells_its_labels_will_do():
    crops = Crops(EndlessLabelled(), DataReport())
    assert [sample.source for sample in crops] == ['page 0#1 "text 0"', 'page 1#1 "text 1"']
    assert (crops.texts[:], crops.texts[-1], crops[-2].text) == (["text 0", "text 1"], "text 1", "text 0")
    with pytest.raises(DataError, match="put crops inside concat"):
        Crops(Endless(), DataReport())


def test_nothing_is_cut_that_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    cuts: list[np.ndarray] = []

    def counted(image: np.ndarray, polygon: np.ndarray, *options: Any) -> np.ndarray:
        cuts.append(polygon)
        return cut(image, polygon, *options)

    monkeypatch.setattr("ocr_trainer.formats.crops.cut", counted)
    crops = Crops(pages(tmp_path), DataReport(), cache_mb=0)
    assert crops[1].text.startswith("a second")
    np.testing.assert_array_equal(cuts, [BOX + 40])


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
