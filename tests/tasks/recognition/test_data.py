"""From splits of texts to batches of like width."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from ocr_trainer.config.compose import compose
from ocr_trainer.data.types import Batch, TextImage
from ocr_trainer.errors import DataError
from ocr_trainer.plugin import Context, SkippedItem, Task
from ocr_trainer.tasks.recognition.data import pad, prepare, scoring_loader, training_loader
from ocr_trainer.tasks.recognition.recognizer import Recognizer

RUN = compose(
    [
        "model=crnn",
        "model.size=tiny",
        "dataset=words",
        "dataset.root=.",
        "charset.characters=0123456789",
        "augment=none",
        "data.batch_size=4",
        "data.eval_batch_size=4",
        "data.bucket_batches=3",
        "data.num_workers=0",
    ]
)


class Proportional(Recognizer):
    """A recognizer without a network: what is asked of one when batches are made."""

    stride = 8

    def __init__(self) -> None:
        super().__init__()
        self.charset = RUN.charset.characters

    def size(self, height: int, width: int) -> tuple[int, int]:
        return 16, max(1, round(16 * width / height))

    def fault(self, codes: int, repeats: int, width: int) -> str | None:
        return f"{codes} characters are too many" if codes > 5 else None

    forward = loss = decode = None  # type: ignore[assignment]


class Numbers:
    """Images whose width grows with their number, which is their text."""

    def __init__(self, length: int, **odd: Any) -> None:
        self.length, self.odd = length, {int(key[1:]): value for key, value in odd.items()}

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> TextImage:
        if isinstance(fault := self.odd.get(index), Exception):
            raise fault
        image = np.full((32, 20 + 7 * index, 3), index % 256, np.uint8)
        return TextImage(image, self.odd.get(index, str(index)), f"number {index}")


def texts(batch: Batch) -> list[str]:
    rows = zip(batch.targets["codes"].tolist(), batch.targets["lengths"].tolist(), strict=True)
    return ["".join(RUN.charset.characters[code] for code in row[:length]) for row, length in rows]


def epoch(split: Numbers, number: int = 0, **options: Any) -> list[Batch]:
    loader = training_loader(split, Proportional(), replace(RUN, data=replace(RUN.data, **options)))
    loader.sampler.set_epoch(number)  # type: ignore[attr-defined]
    batches = list(loader)
    assert len(batches) == len(loader)
    return batches


@pytest.mark.parametrize("length", [1, 3, 4, 11, 12, 13, 50])
def test_every_sample_comes_once(length: int):
    seen = Counter(text for batch in epoch(Numbers(length)) for text in texts(batch))
    assert seen == {str(index): 1 for index in range(length)}


def test_a_batch_holds_like_widths_and_little_padding():
    batches = epoch(Numbers(48), bucket_batches=12)
    padding = [1 - batch.widths.float().mean() / batch.images.shape[-1] for batch in batches]  # type: ignore[union-attr]
    alone = epoch(Numbers(48), bucket_batches=1)
    mixed = [1 - batch.widths.float().mean() / batch.images.shape[-1] for batch in alone]  # type: ignore[union-attr]
    assert np.mean(padding) < 0.5 * np.mean(mixed)


def test_batches_do_not_come_from_narrow_to_wide():
    widths = [int(batch.images.shape[-1]) for batch in epoch(Numbers(48), bucket_batches=12)]
    assert widths != sorted(widths)


def test_an_epoch_follows_from_the_seed_whatever_the_workers():
    def content(**options: Any) -> list[Any]:
        return [(texts(batch), batch.images.sum().item()) for batch in epoch(Numbers(30), **options)]

    assert content() == content(num_workers=2)
    assert content() != content(number=1)


def test_padding_is_zero_at_the_right_of_a_multiple_of_the_stride():
    images = [np.full((16, width, 3), 9, np.uint8) for width in (5, 17)]
    stacked, widths = pad(images, 8)
    assert stacked.shape == (2, 3, 16, 24)
    assert widths.tolist() == [5, 17]
    for image, width in zip(stacked, widths, strict=True):
        assert (image[..., :width] == 9).all()
        assert (image[..., width:] == 0).all()


def test_images_keep_their_proportions():
    stacked, widths = prepare(
        [np.zeros((32, 100, 3), np.uint8), np.zeros((64, 400, 3), np.uint8)], Proportional()
    )
    assert widths.tolist() == [50, 100]
    assert stacked.shape[2] == 16


@pytest.mark.parametrize(
    ("odd", "what", "reason"),
    [
        (DataError("torn"), "image", "torn"),
        ("123456", "label", "6 characters are too many"),
        ("12x", "label", "'x' (U+0078 LATIN SMALL LETTER X) is not in the charset"),
        ("1\x072", "label", "U+0007"),
        (" \n ", "label", "the text is empty"),
    ],
)
def test_what_cannot_be_learned_is_replaced_and_entered(odd: Any, what: str, reason: str):
    batches = epoch(Numbers(8, _3=odd))
    assert sum(map(len, batches)) == 8
    seen = Counter(text for batch in batches for text in texts(batch))
    assert seen["4"] == 2
    (entry,) = (entry for batch in batches for entry in batch.skipped)
    assert (entry.what, entry.file) == (what, "sample 3")
    assert reason in entry.reason


def test_newlines_and_spaces_are_put_right():
    run = replace(RUN, charset=replace(RUN.charset, characters="0123456789 "))
    model = Proportional()
    model.charset = run.charset.characters
    (batch,) = training_loader(Numbers(1, _0=" 1\n\u00a02 "), model, run)
    assert batch.targets["codes"].tolist() == [[1, 10, 2]]


def test_a_model_that_reads_from_left_to_right_learns_what_it_sees():
    run = replace(RUN, charset=replace(RUN.charset, characters="12אבג "))
    model = Proportional()
    model.charset = run.charset.characters
    typed, model.visual = "אב 12", True
    (batch,) = training_loader(Numbers(1, _0=typed), model, run)
    assert "".join(model.charset[code] for code in batch.targets["codes"][0]) == "12 בא"
    model.visual = False
    (batch,) = training_loader(Numbers(1, _0=typed), model, run)
    assert "".join(model.charset[code] for code in batch.targets["codes"][0]) == typed


def test_scoring_takes_every_sample_once_and_leaves_out_what_cannot_be_read():
    loader = scoring_loader(Numbers(11, _5=DataError("torn"), _6="long enough: 123456"), Proportional(), RUN)
    batches = list(loader)
    assert len(batches) == len(loader)
    ground_truths = Counter(truth.text for batch in batches for truth in batch.ground_truths)
    assert ground_truths == {**{str(i): 1 for i in range(11) if i not in (5, 6)}, "long enough: 123456": 1}
    assert [entry for batch in batches for entry in batch.skipped] == [
        SkippedItem("image", "sample 5", None, "torn")
    ]
    assert all(int(batch.images[0, 0, 0, 0]) % 256 in range(11) for batch in batches)


def test_an_epoch_without_a_usable_sample_gives_an_empty_batch():
    (batch,) = epoch(Numbers(2, _0=DataError("torn"), _1=DataError("torn")))
    assert len(batch) == 0
    assert len(batch.skipped) == 4


def test_tiny_and_huge_images_have_a_place():
    shapes = [(1, 1), (1, 500), (500, 1), (3, 2)]
    images, widths = prepare([np.zeros((*shape, 3), np.uint8) for shape in shapes], Proportional())
    assert images.shape[0] == 4
    assert (widths >= 1).all()


def test_context_carries_the_charset():
    assert Context(task=Task.recognition, charset="ab").charset == "ab"
    assert torch.is_tensor(epoch(Numbers(2))[0].widths)


def test_batches_of_scoring_do_not_go_from_narrow_to_wide():
    widths = [int(batch.images.shape[-1]) for batch in scoring_loader(Numbers(40), Proportional(), RUN)]
    assert widths[:3] != sorted(widths[:3]) or widths[3:6] != sorted(widths[3:6])


def test_with_a_limit_texts_are_scored_as_they_come():
    run = replace(RUN, trainer=replace(RUN.trainer, limit_val_batches=2))
    batches = list(scoring_loader(Numbers(40), Proportional(), run))
    first = [truth.text for truth in batches[0].ground_truths] + [
        truth.text for truth in batches[1].ground_truths
    ]
    assert sorted(first, key=int) == [str(index) for index in range(8)]


@pytest.mark.parametrize("length", [79, 64, 65])
def test_no_batch_is_larger_than_asked_for(length: int):
    assert max(map(len, epoch(Numbers(length), batch_size=8))) <= 8
