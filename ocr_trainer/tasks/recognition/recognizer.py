"""What the author of a text recognizer inherits."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor

from ocr_trainer.data.types import Image, Recognition
from ocr_trainer.tasks.model import TrainableModel, device_of
from ocr_trainer.tasks.recognition.tokenizer import Tokenizer


class Recognizer(TrainableModel, ABC):
    """A text recognizer: from the image of a word or line to characters.

    The core provides loaders, optimizers, metrics and devices.
    """

    charset: str
    """The characters that it distinguishes, `context.charset`. Set it in `__init__`."""
    tokenizer: Tokenizer | None = None
    """Its own tokenizer, built from `context.tokenizer`; None if code k is character k of the charset."""
    visual: bool = False
    """Whether it learns characters in the order in which they stand on the image, not as they are typed."""
    stride: int = 4
    """The width of a batch is padded to a multiple of this."""

    @abstractmethod
    def size(self, height: int, width: int) -> tuple[int, int]:
        """Return the height and width that an image is resized to before the network sees it.

        The height is the same for all images.
        """

    def fault(self, codes: int, repeats: int, width: int) -> str | None:
        """Return why a text cannot be learned from an image of that width, in the user's words, or None.

        Args:
            codes: How many codes the text has: one per character, or those of the model's tokenizer.
            repeats: How many of them equal the one before.
            width: Of the image after resizing, in pixels.
        """
        return None

    def remedy(self, codes: int, repeats: int, height: int, width: int) -> tuple[str, int] | None:
        """Return the option of the model that lets it learn a text that has a `fault`, and the value for it.

        Messages show it, as `model.OPTION=VALUE`. None: no reasonable value does.

        Args:
            codes: How many codes the text has.
            repeats: How many of them equal the one before.
            height: Of the image before resizing, in pixels.
            width: The same.
        """
        return None

    def augment(self, image: Image, rng: np.random.Generator) -> Image:
        """Return a training image with the model's own augmentation; the default returns it unchanged.

        The training set calls this in its worker processes, after the augmentation of the run's `augment`
        section and before the image is resized to `size`. Validation and test images are not augmented.

        Args:
            image: uint8, (height, width, 3), RGB. Do not change it in place.
            rng: Seeded by the run's seed, the epoch and the index of the sample. Draw every random number
                from it, so that a resumed run, or one with another number of workers, sees the same images.

        Returns:
            uint8, (height, width, 3), RGB; height and width may differ from those of `image`.
        """
        return image

    @abstractmethod
    def forward(self, images: Tensor, widths: Tensor) -> dict[str, Tensor]:
        """Run the network; in evaluation mode, what the padding holds must make no difference.

        Args:
            images: uint8, (batch, 3, height, width), RGB; normalization is the model's own.
            widths: int64, (batch,): columns of each image that are no padding, which is 0 and at the right.

        Returns:
            Named tensors whose first axis is the batch.
        """

    @abstractmethod
    def loss(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the weighted parts of the loss, scalar tensors. Training minimizes their sum.

        Return `ocr_trainer.data.types.LossParts` to log further figures that are not part of the sum.

        Args:
            outputs: What `forward` returned in training mode.
            targets: `codes`, int64, (batch, longest): characters by their index in the charset, or the
                codes of the model's tokenizer; 0 beyond the end of a text. `lengths`, int64, (batch,): the
                number of codes of each text, at least 1.
        """

    @abstractmethod
    def decode(self, outputs: dict[str, Tensor]) -> list[Recognition]:
        """Turn outputs into texts, one `Recognition` per image.

        Args:
            outputs: What `forward` returned in evaluation mode.
        """

    @torch.inference_mode()
    def read_texts(self, images: np.ndarray, widths: np.ndarray) -> list[Recognition]:
        """Run the network on the model's device, and decode.

        Args:
            images: uint8, (batch, 3, height, width), RGB, padded on the right to a multiple of `stride`.
            widths: int64, (batch,): the columns of each image that are not padding.
        """
        inputs = (torch.from_numpy(array).to(device_of(self)) for array in (images, widths))
        return self.decode(self(*inputs))

    def character_rows(self) -> dict[str, int]:
        """Return which tensors of the state_dict have a row per character, and the row of the first one.

        Rows before the first character and after the last one have another meaning, such as a blank. From a
        checkpoint with another charset, `init_from` loads row by row. A model with a tokenizer has none.
        """
        return {}
