"""Splits in which no label counts: why, in numbers, and what to do."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_trainer.config.compose import compose
from ocr_trainer.config.schema import RunConfig
from ocr_trainer.data.counted import label_counts, uncounted, unlabeled
from ocr_trainer.data.open import open_splits, open_test
from ocr_trainer.errors import DataError
from ocr_trainer.evaluation.check_data import check_data
from ocr_trainer.formats.annotations import Labels
from ocr_trainer.formats.labeled import LabeledImages
from ocr_trainer.plugin import Config, Context, DataReport, Task
from ocr_trainer.plugin.options import OutlineConfig, UntranscribedConfig

QUAD = [(1.0, 1.0), (9.0, 1.0), (9.0, 5.0), (1.0, 5.0)]
REASONS = ["", "no transcription", "the text ### means don't care", "it is illegible"]


@dataclass
class Untranscribed(UntranscribedConfig, OutlineConfig, Config):
    """Options of a dataset with both remedies."""


def split(pages: list[list[str]]) -> LabeledImages:
    def labeled():
        for number, reasons in enumerate(pages):
            labels = Labels()
            for reason in reasons:
                labels.add(QUAD, "", reason, DataReport(), Path("a.txt"), None)
            yield f"{number}.png", labels

    return LabeledImages(labeled())


@given(st.lists(st.lists(st.sampled_from(REASONS), max_size=5), max_size=5), st.data())
def test_labels_are_counted_by_reason_in_any_subset(pages: list[list[str]], data: st.DataObject):
    images = split(pages)
    chosen = data.draw(st.lists(st.sampled_from(range(len(pages))), unique=True)) if pages else []
    expected = Counter(reason for place in chosen for reason in pages[place])
    assert label_counts(images.subset(chosen)) == expected
    message = uncounted("train", expected, Config(name="x"))
    assert (message is None) == (expected[""] > 0 or not expected)
    if message and expected.total():
        assert all(f"{n} of {expected.total()}: {reason}" in message for reason, n in expected.items() if n)


def test_the_message_names_the_remedies_that_the_dataset_has():
    counts = Counter({"no transcription": 96, "the outline crosses itself": 1})
    plain = uncounted("train", counts, Config(name="x"))
    assert plain == (
        "no label of the train split of dataset=x counts, so there is nothing to learn: all of them are don't"
        " care\n  96 of 97: no transcription\n  1 of 97: the outline crosses itself"
    )
    helped = uncounted("val", counts, Untranscribed(name="x"))
    assert helped is not None
    assert "nothing to score" in helped
    assert "96 of 97: no transcription; to learn boxes alone: dataset.ignore_untranscribed=false" in helped
    assert "1 of 97: the outline crosses itself; to order corners: dataset.order_corners=true" in helped


def test_only_outlines_of_four_points_can_be_put_in_order():
    labels = Labels()
    zigzag = [(float(x), float(y)) for x in (0, 10, 20) for y in (0, 9)]
    for points in (zigzag[:4], zigzag):
        labels.add(points, "A", False, DataReport(), Path("a.txt"), None)
    message = uncounted("val", Counter(labels.reasons), Untranscribed(name="x"))
    assert message is not None
    assert "1 of 2: the outline crosses itself; to order corners" in message
    assert message.endswith("1 of 2: an outline of more than four points crosses itself")


@dataclass
class Marked(Config):
    """Options of a dataset whose marks can be set."""

    dont_care: list[str] = field(default_factory=list)


def test_texts_that_mark_can_be_changed_where_the_dataset_has_an_option_for_them():
    counts = Counter({"the text ### means don't care": 3})
    for config, remedied in ((Marked(name="x"), True), (Config(name="x"), False)):
        message = uncounted("train", counts, config)
        assert message is not None
        assert message.endswith("; to learn these boxes: 'dataset.dont_care=[]'") == remedied


def test_images_without_any_label_are_noted():
    assert uncounted("train", Counter(), Config(name="x")) is None
    assert unlabeled("train", Counter(), 12) == (
        "the 12 images of the train split have no labels: they are pages without text"
    )
    assert unlabeled("train", Counter({"no transcription": 1}), 12) is None
    assert unlabeled("train", Counter(), 0) is None


def test_a_split_that_cannot_tell_is_not_judged():
    assert label_counts([np.zeros(3)]) is None


def test_more_reasons_than_a_byte_holds():
    images = split([[f"reason {number}" for number in range(400)]])
    counts = images.label_counts()
    assert (counts.total(), counts[""], len(counts)) == (400, 0, 255)
    assert images.labels(0).ignore == [True] * 400


@pytest.mark.parametrize("reason", [True, "no transcription"])
def test_flags_and_reasons_are_both_accepted(reason: bool | str):
    labels = Labels()
    labels.add(QUAD, "A", reason, DataReport(), Path("a.txt"), None)
    assert labels.ignore == [True]
    assert labels.reasons == ["marked as don't care" if reason is True else reason]


def made(root: Path, texts: dict[str, str]) -> RunConfig:
    """Make a dataset with one page per split, whose word has the text of its split."""
    from PIL import Image as Pillow

    (root / "images").mkdir()
    (root / "gt").mkdir()
    for name, text in texts.items():
        Pillow.new("RGB", (20, 10)).save(root / "images" / f"{name}.png")
        (root / "gt" / f"gt_{name}.txt").write_text(f"1,1,9,1,9,5,1,5,{text}\n", encoding="utf-8")
        (root / f"{name}.txt").write_text(f"{name}\n", encoding="utf-8")
    return compose(["model=dbnet", "dataset=icdar2015", f"dataset.root='{root}'"])


@pytest.mark.parametrize("refused", ["train", "val"])
def test_a_train_or_val_split_without_a_counted_label_is_refused(tmp_path: Path, refused: str):
    run = made(tmp_path, {name: "###" if name == refused else "A" for name in ("train", "val")})
    with pytest.raises(
        DataError, match=rf"^no label of the {refused} split .*\n  1 of 1: the text ### means"
    ):
        open_splits(run, Context(task=Task.detection))


def test_a_test_split_without_one_is_noted_in_training_and_refused_by_test(tmp_path: Path):
    run = made(tmp_path, {"train": "A", "val": "B", "test": "###"})
    context = Context(task=Task.detection)
    splits = open_splits(run, context)
    assert (len(splits.train), len(splits.val), splits.test, splits.test_split) == (1, 1, None, None)
    (note,) = context.data_report.messages()
    assert note.startswith(
        "the test split is not scored: no label of the test split of dataset=icdar2015 counts"
    )
    with pytest.raises(DataError, match=r"^no label of the test split"):
        open_test(run, Context(task=Task.detection))
    assert check_data(run).to_dict()["notes"] == [note]
    assert "\n" not in note


def test_one_image_is_not_divided_and_that_is_noted(tmp_path: Path):
    run = made(tmp_path, {"train": "A"})
    (tmp_path / "train.txt").unlink()
    context = Context(task=Task.detection)
    splits = open_splits(run, context)
    assert (len(splits.train), splits.val) == (1, None)
    assert context.data_report.messages() == [
        "dataset=icdar2015 has only one image: dataset.val_share=0.1 makes no val split"
    ]
