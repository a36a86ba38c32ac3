"""What the author of a text detector inherits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from torch import Tensor, nn

from ocr_trainer.data.types import Detections, Sample


class Detector(nn.Module, ABC):
    """A text detector: from pixels to polygons, with its own pre- and post-processing.

    It knows nothing of loaders, optimizers, metrics or devices; the core brings those. `decode` is
    called from several threads, with the outputs for one image each, and reads its settings from
    `self.config` where the class offers `calibrations`.
    """

    stride: ClassVar[int] = 32
    """The height and width of an image are padded to a multiple of this."""
    score_option: ClassVar[str | None] = None
    """The option of `self.config`, if there is one, below which `decode` drops what it found by its score."""

    @abstractmethod
    def scale(self, height: int, width: int) -> float:
        """Return the factor an image is resized by before the network sees it, when scoring.

        In training it is the scale that augmentation varies around.
        """

    @abstractmethod
    def encode(self, sample: Sample) -> dict[str, np.ndarray]:
        """Make the training targets of one sample; called in the loader's workers.

        Args:
            sample: An augmented sample; its image has the size that the network will see.

        Returns:
            Named arrays. Each has one shape and dtype for all samples, so that they stack.
        """

    @abstractmethod
    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Run the network.

        Args:
            images: uint8, (batch, 3, height, width), RGB; normalization is the model's own.
        """

    @abstractmethod
    def loss(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the parts of the loss, weighted: the sum of them is minimised.

        Args:
            outputs: What `forward` returned.
            targets: What `encode` made, stacked along a new first axis.
        """

    @abstractmethod
    def decode(self, outputs: dict[str, Tensor], sizes: list[tuple[int, int]]) -> list[Detections]:
        """Turn outputs into polygons, one `Detections` per image.

        Args:
            outputs: What `forward` returned in evaluation mode.
            sizes: Height and width of each image without its padding; nothing may lie outside.

        Returns:
            Polygons in pixels of the network's input.
        """

    def positives(self, targets: dict[str, Tensor]) -> int | None:
        """Return how many places of a batch's targets are text; None if that cannot be told.

        The check of the first batch asks.
        """
        return None

    def calibrations(self) -> list[dict[str, Any]]:
        """Return what `decode` could be set to, as changes of `self.config`; validation data chooses.

        The option that `score_option` names need not be among them: it is chosen by the scores.
        """
        return []
