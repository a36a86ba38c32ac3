"""What the author of a text recognizer inherits."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from torch import Tensor, nn

from ocr_trainer.data.types import Image, Recognition


class Recognizer(nn.Module, ABC):
    """A text recognizer: from the image of a word or line to characters.

    It knows nothing of loaders, optimizers, metrics or devices; the core brings those.
    """

    charset: str
    """What it tells apart, `context.charset`: character k of it is code k. Set when it is built."""
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
            codes: How many characters the text has.
            repeats: How many of them equal the one before.
            width: Of the image after resizing, in pixels.
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
        """Return the parts of the loss, weighted: the sum of them is minimized.

        Args:
            outputs: What `forward` returned in training mode.
            targets: `codes`, int64, (batch, longest): characters by their place in the charset, 0 beyond
                the end of a text; `lengths`, int64, (batch,): how many of them count, 1 at least.
        """

    @abstractmethod
    def decode(self, outputs: dict[str, Tensor]) -> list[Recognition]:
        """Turn outputs into texts, one `Recognition` per image.

        Args:
            outputs: What `forward` returned in evaluation mode.
        """

    def character_rows(self) -> dict[str, int]:
        """Return which tensors of the state_dict have a row per character, and the row of the first one.

        Rows before it and behind the last character's stand for something else, such as a blank. A
        checkpoint of another charset is taken over row by row.
        """
        return {}
