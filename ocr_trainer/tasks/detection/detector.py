"""`Detector`, the base class of text detectors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ocr_trainer.data.types import Detections, Sample
from ocr_trainer.tasks.model import TrainableModel, device_of


class Detector(TrainableModel, ABC):
    """A text detector: from pixels to polygons, with its own pre- and postprocessing.

    The core provides loaders, optimizers, metrics and devices. It calls `decode` from several threads, each
    with the outputs of one image. A class that offers `calibrations` must read the settings of `decode`
    from `self.config`.
    """

    stride: ClassVar[int] = 32
    """Image heights and widths are padded to a multiple of this, in pixels."""
    score_option: ClassVar[str | None] = None
    """The option of `self.config` that is the score threshold of `decode`, or None."""

    @abstractmethod
    def scale(self, height: int, width: int) -> float:
        """Return the factor to resize an image by for validation, test and prediction.

        In training, augmentation varies the scale around this factor.

        Args:
            height: Of the image, in pixels.
            width: Of the image, in pixels.
        """

    @abstractmethod
    def encode(self, sample: Sample) -> dict[str, np.ndarray]:
        """Return the training targets of one sample. Called in the data workers.

        Args:
            sample: An augmented sample. Its image has the size that the network sees.

        Returns:
            Named arrays. Each has the same shape and dtype for all samples, so that they stack.
        """

    @abstractmethod
    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Run the network.

        Args:
            images: uint8, (batch, 3, height, width), RGB. The model normalizes them itself.

        Returns:
            Named tensors whose first axis is the batch.
        """

    @abstractmethod
    def loss(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the weighted parts of the loss, scalar tensors. Training minimizes their sum.

        Return `ocr_trainer.data.types.LossParts` to log further figures that are not part of the sum.

        Args:
            outputs: The outputs of `forward` in training mode.
            targets: The arrays of `encode`, stacked along a new first axis.
        """

    @abstractmethod
    def decode(self, outputs: dict[str, Tensor], sizes: list[tuple[int, int]]) -> list[Detections]:
        """Turn outputs into polygons.

        Args:
            outputs: The outputs of `forward` in evaluation mode.
            sizes: Height and width of each image without padding, in pixels. No polygon may lie outside.

        Returns:
            One `Detections` per image, with polygons in pixels of the network's input.
        """

    @torch.inference_mode()
    def find_texts(self, images: np.ndarray, sizes: list[tuple[int, int]]) -> list[Detections]:
        """Run the network on the model's device, and decode.

        Args:
            images: uint8, (batch, 3, height, width), RGB, padded to a multiple of `stride`.
            sizes: Height and width of each image without padding, in pixels.
        """
        return self.decode(self(torch.from_numpy(images).to(device_of(self))), sizes)

    def positives(self, targets: dict[str, Tensor]) -> int | None:
        """Return the number of text pixels in a batch's targets, or None if it is not known.

        The sanity check of the first batch with text calls this.
        """
        return None

    def calibrations(self) -> list[dict[str, Any]]:
        """Return the settings of `decode` to try on validation data, as changes of `self.config`.

        Leave out the option of `score_option`: calibration tries thresholds of its own.
        """
        return []
