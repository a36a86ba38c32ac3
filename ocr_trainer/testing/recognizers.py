"""What a text recognizer has to keep."""

from __future__ import annotations

import io
import math
import pickle
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ocr_trainer.plugin import Context, Kind
from ocr_trainer.testing.plugins import PluginSuite

if TYPE_CHECKING:
    from torch import Tensor

    from ocr_trainer.data.types import Batch, Image, Recognition
    from ocr_trainer.tasks.recognition import Recognizer

CHARSET = " 0123456789가ñ"
TEXTS = ("0", "1 2", "77", "ñ가")
"""What the suite has a model read: a space, doubled characters, characters beyond ASCII."""


class RecognizerSuite(PluginSuite):
    """The contract of a text recognizer: what it is asked in training, scoring and loading."""

    kind: ClassVar[Kind] = Kind.model

    steps: ClassVar[int] = 150
    """Within so many steps of Adam it must read the four texts it learns."""
    lr: ClassVar[float] = 2e-3
    """The learning rate of those steps."""

    def context(self, folder: Path) -> Context:
        """Return the context of a run that has a charset."""
        return replace(super().context(folder), charset=CHARSET)

    def model(self, folder: Path, seed: int = 0) -> Recognizer:
        """Build the model, with random weights that follow from a seed."""
        import torch

        from ocr_trainer.tasks.recognition import Recognizer

        torch.manual_seed(seed)
        model = self.build(self.context(folder))
        wanted = "ocr_trainer.tasks.recognition.Recognizer"
        assert isinstance(model, Recognizer), (
            f"the factory must return a {wanted}, not {type(model).__name__}"
        )
        return model

    def test_it_is_a_recognizer(self, tmp_path: Path) -> None:
        """It has a stride, the run's charset, and weights to train."""
        model = self.model(tmp_path)
        assert model.stride in range(1, 4096), f"stride must be a number of pixels, not {model.stride!r}"
        assert model.charset == CHARSET, "charset must be that of the context"
        assert any(p.requires_grad for p in model.parameters()), "it must have parameters to train"

    def test_all_images_get_one_height(self, tmp_path: Path) -> None:
        """However small or long an image is, it gets a size."""
        model = self.model(tmp_path)
        sizes = [model.size(h, w) for h, w in ((1, 1), (32, 100), (1, 5000), (5000, 1), (48, 48))]
        assert len({height for height, _ in sizes}) == 1, f"the height must be one for all, not {sizes}"
        assert all(side >= 1 for size in sizes for side in size), f"no side may be empty: {sizes}"

    def test_rows_of_characters(self, tmp_path: Path) -> None:
        """What `character_rows` names is there, and has a row per character."""
        model = self.model(tmp_path)
        state = model.state_dict()
        rows = model.character_rows()
        assert rows, "the tensors with a row per character must be named, so that a charset can grow"
        for name, first in rows.items():
            assert name in state, f"character_rows names {name!r}, which is not in the state_dict"
            assert len(state[name]) >= first + len(CHARSET), f"{name} has too few rows for the charset"

    def test_loss_is_finite_and_reaches_every_weight(self, tmp_path: Path) -> None:
        """No text ends a training: not the shortest, not one of doubled characters."""
        import torch

        model = self.model(tmp_path).train()
        for texts in (TEXTS, ("0", "0"), ("0000", "1")):
            model.zero_grad()
            parts = _loss(model, batch(model, texts))
            assert parts, "loss must return at least one part"
            for key, value in parts.items():
                assert value.ndim == 0, f"the part {key!r} of the loss must be one number"
                assert torch.isfinite(value), f"with {texts}, the part {key!r} of the loss is {value.item()}"
            torch.stack(list(parts.values())).sum().backward()  # type: ignore[no-untyped-call]
            for key, parameter in model.named_parameters():
                if parameter.requires_grad:
                    assert parameter.grad is not None, (
                        f"the loss must reach {key}: processes that train together wait for its gradient"
                    )
                    assert torch.isfinite(parameter.grad).all(), f"{key} has no finite gradient"

    def test_padding_makes_no_difference(self, tmp_path: Path) -> None:
        """An image is read alike alone and beside a wider one."""
        import torch

        model = self.model(tmp_path)
        _loss(model.train(), batch(model, TEXTS))  # moves running statistics
        images = [picture("1 2"), picture("1 2 77 0 ñ 가 1 2 77")]
        with torch.inference_mode():
            alone = [_read(model.eval(), [image])[0] for image in images]
            together = _read(model, images)
        for one, other in zip(alone, together, strict=True):
            assert one.text == other.text, f"alone {one.text!r} is read, beside a wider image {other.text!r}"
            assert math.isclose(one.score, other.score, rel_tol=1e-3, abs_tol=1e-4), (
                f"alone the score is {one.score}, beside a wider image {other.score}"
            )

    def test_it_learns_to_read(self, tmp_path: Path) -> None:
        """Loss and decoding agree on what the characters are."""
        import torch

        model = self.model(tmp_path)
        learned = batch(model, TEXTS)
        optimizer = torch.optim.Adam(model.parameters(), lr=self.lr)
        read: list[str] = []
        for step in range(1, self.steps + 1):
            loss = torch.stack(list(_loss(model.train(), learned).values())).sum()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if step % 10 == 0 or step == self.steps:
                with torch.inference_mode():
                    recognitions = model.eval().decode(model(learned.images, learned.widths))
                read = [reading.text for reading in recognitions]
                if read == list(TEXTS):
                    break
        else:
            raise AssertionError(
                f"after {self.steps} steps on {TEXTS}, it must read them, not {read}. Do loss and decode mean"
                " the same characters? If it is only slow, set `steps` or `lr` of the suite"
            )
        for reading in recognitions:
            assert reading.scores.shape == (len(reading.text),), "there must be one score per character"
            every = [*reading.scores.tolist(), reading.score]
            assert all(0 <= score <= 1 for score in every), f"scores must be 0 to 1, not {every}"

    def test_a_checkpoint_gives_the_same_outputs(self, tmp_path: Path) -> None:
        """All that the outputs depend on is in the state_dict; it pickles, and scoring involves no chance."""
        import torch

        model, other = self.model(tmp_path), self.model(tmp_path, seed=1)
        given = batch(model, TEXTS)
        _loss(model.train(), given)  # moves running statistics
        file = io.BytesIO()
        torch.save(model.state_dict(), file)
        file.seek(0)
        other.load_state_dict(torch.load(file, weights_only=True))
        copy = pickle.loads(pickle.dumps(model))
        with torch.inference_mode():
            outputs = model.eval()(given.images, given.widths)
            for same in (model, other.eval(), copy.eval()):
                again = same(given.images, given.widths)
                assert outputs.keys() == again.keys()
                assert all(torch.equal(outputs[key], again[key]) for key in outputs), (
                    "in evaluation mode, the same images must give the same outputs"
                )


def picture(text: str) -> Image:
    """Return a picture of a text in the font that Pillow brings: uint8, (40, width, 3)."""
    import numpy as np
    from PIL import Image as Pillow
    from PIL import ImageDraw, ImageFont

    font = ImageFont.load_default(28)
    canvas = Pillow.new("RGB", (int(font.getlength(text)) + 16, 40), "white")
    # The font has no Hangul: any shape will do, if it is always the same.
    ImageDraw.Draw(canvas).text((8, 2), text.replace("가", "#"), "black", font)
    return np.array(canvas)


def batch(model: Recognizer, texts: tuple[str, ...]) -> Batch:
    """Return a training batch of pictures of these texts."""
    import numpy as np

    from ocr_trainer.tasks.recognition.data import Encoded, TrainingCollate, fit

    items = [
        Encoded(fit(picture(text), model), np.array([model.charset.index(c) for c in text], dtype=np.int64))
        for text in texts
    ]
    (made,) = TrainingCollate(len(items), model.stride)(items)
    # In the order of the texts, whatever their widths.
    order = [next(i for i, row in enumerate(_codes(made)) if row == item.codes.tolist()) for item in items]
    targets = {name: value[order] for name, value in made.targets.items()}
    assert made.widths is not None
    return replace(made, images=made.images[order], widths=made.widths[order], targets=targets)


def _codes(made: Batch) -> list[list[int]]:
    lengths = made.targets["lengths"].tolist()
    return [row[:length] for row, length in zip(made.targets["codes"].tolist(), lengths, strict=True)]


def _loss(model: Recognizer, given: Batch) -> dict[str, Tensor]:
    assert given.widths is not None
    return model.loss(model(given.images, given.widths), given.targets)


def _read(model: Recognizer, images: list[Image]) -> list[Recognition]:
    from ocr_trainer.tasks.recognition.data import prepare

    return model.decode(model(*prepare(images, model)))
