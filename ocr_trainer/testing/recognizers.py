"""Contract suite for text recognizers."""

from __future__ import annotations

import io
import json
import math
import pickle
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ocr_trainer.plugin import Context, Kind
from ocr_trainer.testing.models import check_figures
from ocr_trainer.testing.plugins import PluginSuite

if TYPE_CHECKING:
    from torch import Tensor

    from ocr_trainer.data.types import Batch, Image, Recognition
    from ocr_trainer.tasks.recognition import Recognizer

CHARSET = " 0123456789가ñ"
TEXTS = ("0", "1 2", "77", "ñ가")
"""Texts that the model must learn to read: with a space, doubled characters and characters beyond ASCII."""


class RecognizerSuite(PluginSuite):
    """The contract of a text recognizer: all calls in training, evaluation and loading of checkpoints."""

    kind: ClassVar[Kind] = Kind.model

    steps: ClassVar[int] = 150
    """Number of Adam steps within which the model must overfit four texts."""
    lr: ClassVar[float] = 2e-3
    """Learning rate of these steps."""

    def context(self, folder: Path) -> Context:
        """Return the context of a run with the suite's charset, and the tokenizer made for it."""
        from ocr_trainer.tasks.recognition.tokenizer import make_tokenizer

        tokenizer = make_tokenizer(self.run(), CHARSET, TEXTS)
        # In a checkpoint, the state is JSON.
        state = json.loads(json.dumps(tokenizer.state())) if tokenizer is not None else None
        return replace(super().context(folder), charset=CHARSET, tokenizer=state)

    def model(self, folder: Path, seed: int = 0) -> Recognizer:
        """Build the model with random weights from a seed."""
        import torch

        from ocr_trainer.tasks.recognition import Recognizer

        torch.manual_seed(seed)
        model = self.build(self.context(folder))
        wanted = "ocr_trainer.tasks.recognition.Recognizer"
        assert isinstance(model, Recognizer), (
            f"the factory must return a {wanted}, not {type(model).__name__}"
        )
        return model

    def test_its_architecture_names_what_changes_its_tensors(self, tmp_path: Path) -> None:
        """`init_from` takes the options that decide the tensors from a checkpoint."""
        from ocr_trainer.testing.architecture import check_architecture

        check_architecture(self, tmp_path)

    def test_it_is_a_recognizer(self, tmp_path: Path) -> None:
        """It has a stride, the run's charset and trainable parameters."""
        model = self.model(tmp_path)
        assert model.stride in range(1, 4096), f"stride must be a number of pixels, not {model.stride!r}"
        assert model.charset == CHARSET, "charset must be that of the context"
        assert any(p.requires_grad for p in model.parameters()), "it must have trainable parameters"

    def test_all_images_get_one_height(self, tmp_path: Path) -> None:
        """`size` accepts very small and long images and always returns the same height."""
        model = self.model(tmp_path)
        sizes = [model.size(h, w) for h, w in ((1, 1), (32, 100), (1, 5000), (5000, 1), (48, 48))]
        assert len({height for height, _ in sizes}) == 1, (
            f"size must return the same height for all images: {sizes}"
        )
        assert all(side >= 1 for size in sizes for side in size), f"sizes must be at least 1: {sizes}"

    def test_its_tokenizer_encodes_and_decodes(self, tmp_path: Path) -> None:
        """Codes are in range, give the text again, and are the same for a tokenizer built from its state."""
        import numpy as np

        from ocr_trainer.tasks.recognition.tokenizer import make_tokenizer

        made, own = make_tokenizer(self.run(), CHARSET, TEXTS), self.model(tmp_path).tokenizer
        if made is None:
            assert own is None, "name the function that makes the tokenizer in the description: tokenizer=…"
            return
        assert own is not None, "build the tokenizer from context.tokenizer, and set self.tokenizer"
        assert own.state() == made.state(), "a tokenizer built from its state must have the same state"
        for text in (*TEXTS, *CHARSET):
            codes = own.encode(text)
            assert getattr(codes, "dtype", None) == np.int64, f"codes must be int64 arrays, not {codes!r}"
            assert ((codes >= 0) & (codes < len(own))).all(), f"codes of {text!r} out of range: {codes}"
            assert own.decode(codes.tolist()) == text, f"decode must give {text!r} again"
            assert np.array_equal(made.encode(text), codes), f"the rebuilt tokenizer encodes {text!r} anew"

    def test_rows_of_characters(self, tmp_path: Path) -> None:
        """The tensors in `character_rows` exist and have a row per character."""
        model = self.model(tmp_path)
        if model.tokenizer is not None:
            return  # its rows are codes, not characters
        state = model.state_dict()
        rows = model.character_rows()
        assert rows, (
            "character_rows must name the tensors with a row per character, so that a charset can grow"
        )
        for name, first in rows.items():
            assert name in state, f"character_rows names {name!r}, which is not in the state_dict"
            assert len(state[name]) >= first + len(CHARSET), f"{name} has too few rows for the charset"

    def test_loss_is_finite_and_reaches_every_weight(self, tmp_path: Path) -> None:
        """Training continues with any text, even the shortest or one of doubled characters."""
        import torch

        model = self.model(tmp_path).train()
        for texts in (TEXTS, ("0", "0"), ("0000", "1")):
            model.zero_grad()
            parts = _loss(model, batch(model, texts))
            assert parts, "loss must return at least one part"
            check_figures(parts)
            for key, value in parts.items():
                assert value.ndim == 0, f"the part {key!r} of the loss must be a scalar"
                assert torch.isfinite(value), f"with {texts}, the part {key!r} of the loss is {value.item()}"
            torch.stack(list(parts.values())).sum().backward()  # type: ignore[no-untyped-call]
            for key, parameter in model.named_parameters():
                if parameter.requires_grad:
                    assert parameter.grad is not None, (
                        f"the loss must reach {key}: distributed training waits for its gradient"
                    )
                    assert torch.isfinite(parameter.grad).all(), f"{key} has no finite gradient"

    def test_padding_makes_no_difference(self, tmp_path: Path) -> None:
        """An image gives the same text and score alone and in a batch with a wider one."""
        import torch

        model = self.model(tmp_path)
        _loss(model.train(), batch(model, TEXTS))  # updates running statistics
        images = [picture("1 2"), picture("1 2 77 0 ñ 가 1 2 77")]
        with torch.inference_mode():
            alone = [_read(model.eval(), [image])[0] for image in images]
            together = _read(model, images)
        for one, other in zip(alone, together, strict=True):
            assert one.text == other.text, (
                f"alone, the image reads {one.text!r}, but in a batch with a wider image {other.text!r}"
            )
            assert math.isclose(one.score, other.score, rel_tol=1e-3, abs_tol=1e-4), (
                f"alone, the score is {one.score}, but in a batch with a wider image {other.score}"
            )

    def test_it_learns_to_read(self, tmp_path: Path) -> None:
        """Loss and decoding agree on the mapping from characters to classes."""
        import torch

        model = self.model(tmp_path)
        training = batch(model, TEXTS)
        optimizer = torch.optim.Adam(model.parameters(), lr=self.lr)
        read: list[str] = []
        for step in range(1, self.steps + 1):
            loss = torch.stack(list(_loss(model.train(), training).values())).sum()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if step % 10 == 0 or step == self.steps:
                with torch.inference_mode():
                    recognitions = model.eval().decode(model(training.images, training.widths))
                read = [reading.text for reading in recognitions]
                if read == list(TEXTS):
                    break
        else:
            raise AssertionError(
                f"after {self.steps} steps on {TEXTS}, it must read them, not {read}. Do loss and decode use"
                " the same characters? If the model only learns slowly, set `steps` or `lr` of the suite"
            )
        for reading in recognitions:
            assert reading.scores.shape == (len(reading.text),), "decode must return one score per character"
            scores = [*reading.scores.tolist(), reading.score]
            assert all(0 <= score <= 1 for score in scores), f"scores must be from 0 to 1, not {scores}"

    def test_a_checkpoint_gives_the_same_outputs(self, tmp_path: Path) -> None:
        """The state_dict determines the outputs, the model is picklable, and evaluation is deterministic."""
        import torch

        model, other = self.model(tmp_path), self.model(tmp_path, seed=1)
        inputs = batch(model, TEXTS)
        _loss(model.train(), inputs)  # updates running statistics, which must be in the state_dict, too
        file = io.BytesIO()
        torch.save(model.state_dict(), file)
        file.seek(0)
        other.load_state_dict(torch.load(file, weights_only=True))
        copy = pickle.loads(pickle.dumps(model))
        with torch.inference_mode():
            outputs = model.eval()(inputs.images, inputs.widths)
            for same in (model, other.eval(), copy.eval()):
                again = same(inputs.images, inputs.widths)
                assert outputs.keys() == again.keys()
                assert all(torch.equal(outputs[key], again[key]) for key in outputs), (
                    "in evaluation mode, the same images must give the same outputs"
                )


def picture(text: str) -> Image:
    """Render a text in Pillow's built-in font: uint8, (40, width, 3), black on white."""
    import numpy as np
    from PIL import Image as Pillow
    from PIL import ImageDraw, ImageFont

    font = ImageFont.load_default(28)
    canvas = Pillow.new("RGB", (int(font.getlength(text)) + 16, 40), "white")
    # The font has no Hangul. Any other glyph works for learning, as long as it is always the same.
    ImageDraw.Draw(canvas).text((8, 2), text.replace("가", "#"), "black", font)
    return np.array(canvas)


def batch(model: Recognizer, texts: tuple[str, ...]) -> Batch:
    """Return a training batch of images of these texts."""
    from ocr_trainer.tasks.recognition.charset import Codec
    from ocr_trainer.tasks.recognition.data import Encoded, TrainingCollate
    from ocr_trainer_runtime.recognition.fit import fit

    codec = Codec(model.charset, tokenizer=model.tokenizer)
    items = [Encoded(fit(picture(text), model), codec.encode(text)) for text in texts]
    (batch,) = TrainingCollate(len(items), model.stride)(items)
    # The collate function sorts by width; restore the order of the texts.
    order = [next(i for i, row in enumerate(_codes(batch)) if row == item.codes.tolist()) for item in items]
    targets = {name: value[order] for name, value in batch.targets.items()}
    assert batch.widths is not None
    return replace(batch, images=batch.images[order], widths=batch.widths[order], targets=targets)


def _codes(batch: Batch) -> list[list[int]]:
    lengths = batch.targets["lengths"].tolist()
    return [row[:length] for row, length in zip(batch.targets["codes"].tolist(), lengths, strict=True)]


def _loss(model: Recognizer, batch: Batch) -> dict[str, Tensor]:
    assert batch.widths is not None
    return model.loss(model(batch.images, batch.widths), batch.targets)


def _read(model: Recognizer, images: list[Image]) -> list[Recognition]:
    from ocr_trainer.tasks.recognition.data import prepare

    return model.decode(model(*prepare(images, model)))
