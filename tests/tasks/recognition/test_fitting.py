"""Texts that a model cannot learn from their images: found before training, and counted."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.calling import Call
from PIL import Image as Pillow

from ocr_trainer.builtin.concat import Mixed
from ocr_trainer.data.split import Subset, size_of, text_of
from ocr_trainer.formats.annotations import Labels
from ocr_trainer.formats.crops import Crops
from ocr_trainer.formats.labeled import LabeledImages
from ocr_trainer.formats.texts import TextImages
from ocr_trainer.plugin import DataReport
from ocr_trainer.testing.recognizers import picture

SHORT = (
    *("data.num_workers=0", "data.batch_size=4", "trainer.max_epochs=1", "trainer.accelerator=cpu"),
    *("dataset.val_share=0", "trainer.enable_progress_bar=false"),
)
MODELS = {
    "crnn": ["model=crnn", "model.size=tiny"],
    "svtrv2": ["model=svtrv2", "model.size=tiny"],
    "parseq": ["model=parseq", "model.size=tiny"],
}


def listed(root: Path, texts: list[str], shown: list[str] | None = None, turned: tuple[int, ...] = ()) -> str:
    """Write images and their list; `shown` is what they show, some on end. Return the word that names it."""
    root.mkdir()
    rows = []
    for number, (text, show) in enumerate(zip(texts, shown or texts, strict=True)):
        image = np.ascontiguousarray(np.rot90(picture(show)) if number in turned else picture(show))
        cv2.imwrite(os.fspath(root / f"w{number}.png"), image)
        rows.append(f"w{number}.png\t{text}\n")
    (root / "train.txt").write_text("".join(rows), encoding="utf-8")
    return f"dataset.root={root}"


@pytest.mark.parametrize("model", MODELS)
def test_texts_that_are_too_long_refuse_a_run_and_its_data(call: Call, tmp_path: Path, model: str):
    root = listed(tmp_path / "words", ["ab", "cd" * 70, "ef", "gh" * 70, "ij", "kl", "mn", "op"], ["ab"] * 8)
    words = [*MODELS[model], "dataset=words", root, *SHORT]
    status, _, said = call(*words)
    assert status == 2
    assert f"2 of 8 checked training texts cannot be learned by model={model}:\n" in said
    assert said.count("the text of 140 characters") == 2
    assert "data.max_skipped=0.01 allows 0" in said
    remedy = (
        "with model.max_length=140, the model can learn 2 of them"
        if model == "parseq"
        else "2 of them are far too long"
    )
    assert remedy in said
    status, table, again = call("check-data", *words)
    assert status == 2
    assert "left out: 2 labels" in table
    assert "w3.png: the text of 140 characters" in table
    assert remedy in again


def test_data_is_checked_for_the_model_that_is_named(call: Call, tmp_path: Path):
    root = listed(tmp_path / "words", ["abc", "a" * 60, "bc", "ca"], ["abc", "a" * 60, "bc", "ca"])
    assert call("check-data", "dataset=words", root, *SHORT)[0] == 0
    assert call("check-data", *MODELS["parseq"], "dataset=words", root, *SHORT)[0] == 2
    longer = [*MODELS["parseq"], "model.max_length=60", "dataset=words", root]
    assert call("check-data", *longer, *SHORT)[0] == 0


def test_images_that_stand_on_end_are_named(call: Call, tmp_path: Path):
    root = listed(tmp_path / "words", ["garden12", "flower34"] * 4, turned=(0, 2, 5))
    status, _, said = call(*MODELS["crnn"], "dataset=words", root, *SHORT)
    assert status == 2
    assert "3 of 8 checked training texts cannot be learned" in said
    assert "3 of their images stand on end (higher than wide): rotate these images" in said
    # A model that squeezes every image can learn from them, but seldom should.
    status, _, said = call(*MODELS["parseq"], "dataset=words", root, *SHORT)
    assert status == 0
    assert "3 of 8 checked training images stand on end" in said


def test_a_few_texts_are_reported_and_left_out(call: Call, tmp_path: Path):
    root = listed(tmp_path / "words", ["a" * 7, *["bcd"] * 7], ["aaa", *["bcd"] * 7])
    words = [*MODELS["crnn"], "dataset=words", root, *SHORT]
    status, table, said = call(*words, "data.max_skipped=0.2")
    assert status == 0
    assert "1 of 8 checked training texts cannot be learned by model=crnn:" in said
    assert "\n  with model.height=64, the model can learn 1 of them\n  they are left out\n" in said
    assert "1 labels (see report.json)" in table
    assert call(*words, "model.height=64")[0] == 0


def test_a_wide_image_needs_a_larger_maximum(call: Call, tmp_path: Path):
    root = listed(tmp_path / "words", ["abcdefgh" * 3, "ab"])
    status, _, said = call(*MODELS["crnn"], "model.max_width=64", "dataset=words", root, *SHORT)
    assert status == 2
    assert "model.max_width=" in said


@pytest.mark.parametrize("model", ["crnn", "parseq"])
def test_an_epoch_with_nothing_to_learn_ends_the_run(call: Call, tmp_path: Path, model: str):
    root = listed(tmp_path / "words", ["ab" * 70] * 8, ["ab"] * 8)
    words = [*MODELS[model], "dataset=words", root, *SHORT, "data.max_skipped=1", "data.check_images=0"]
    status, _, said = call(*words)
    assert status == 2
    assert "ocr-train: epoch 1 has no sample to learn from:" in said
    assert "w0.png: the text of 140 characters" in said
    assert "training_step" not in said
    assert not list(tmp_path.glob("runs/*/*/checkpoints/*.ckpt"))


def test_generated_texts_are_checked_too(call: Call):
    words = ["dataset=synthetic", 'dataset.text.pattern="[a-z]{30}"', "dataset.text.train_texts=80"]
    status, _, said = call(*MODELS["parseq"], *words, *SHORT[:4])
    assert status == 2
    assert "with model.max_length=30, the model can learn" in said


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_of_a_photo_is_that_of_what_is_read(tmp_path: Path, orientation: int):
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    Pillow.new("RGB", (60, 20)).save(tmp_path / "a.jpg", exif=exif)
    split = TextImages([(tmp_path / "a.jpg", "abc")])
    assert split.size_of(0) == split[0].image.shape[:2]
    (tmp_path / "a.jpg").write_bytes(b"no image")
    assert split.size_of(0) is None


def test_a_combination_of_datasets_knows_texts_and_sizes(tmp_path: Path):
    for name, width in (("a", 60), ("b", 30)):
        Pillow.new("RGB", (width, 20)).save(tmp_path / f"{name}.png")
    first, second = (TextImages([(tmp_path / f"{name}.png", name)]) for name in "ab")
    mixed = Subset(Mixed([(first, 1, 1), (second, 1, 1)], endless=True), [1, 0])
    assert [text_of(mixed, 0), text_of(mixed, 1)] == ["b", "a"]
    assert [size_of(mixed, 0), size_of(mixed, 1)] == [(20, 30), (20, 60)]


def test_crops_know_about_their_sizes(tmp_path: Path):
    box = np.array([[20, 30], [79, 30], [79, 49], [20, 49]], np.float32)
    Pillow.new("RGB", (160, 120)).save(tmp_path / "page.png")
    pages = LabeledImages([(tmp_path / "page.png", Labels([box], ["abc"], [False]))])
    crops = Crops(pages, DataReport())
    height, width = crops[0].image.shape[:2]
    assert crops.size_of(0) == pytest.approx((height, width), abs=1)
