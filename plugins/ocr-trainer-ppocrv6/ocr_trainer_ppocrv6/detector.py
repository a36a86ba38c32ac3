"""PP-OCRv6's detector (PaddleOCR, 2026)."""

from __future__ import annotations

import torch
from ocr_trainer_dbnet.detector import DBDetector
from ocr_trainer_dbnet.loss import dice_loss, masked_l1_loss
from ocr_trainer_dbnet.network import differentiable_step
from torch import Tensor, nn

from ocr_trainer.plugin import Context
from ocr_trainer_ppocrv6 import published
from ocr_trainer_ppocrv6.loss import focal_loss
from ocr_trainer_ppocrv6.neck import Head
from ocr_trainer_ppocrv6.networks import DetectorNetwork, normalize
from ocr_trainer_ppocrv6.norms import FoldedNorms
from ocr_trainer_ppocrv6.plugin import PPOCRv6DetConfig
from ocr_trainer_ppocrv6.sizes import DETECTORS
from ocr_trainer_ppocrv6.weights import state_from


class PPOCRv6Detector(FoldedNorms, DBDetector):
    """A detector with DB heads on a light backbone and a feature pyramid with large kernels.

    Raises:
        CheckpointError: The initial weights are not available or do not fit.
    """

    config: PPOCRv6DetConfig

    def __init__(self, config: PPOCRv6DetConfig, context: Context) -> None:
        super().__init__(config)
        size = DETECTORS[config.network]
        self.network = DetectorNetwork(size)
        self.threshold = Head(size.neck)
        self.register_folded(config.weights is not None)
        if config.weights is not None:
            self._load(config.weights)

    def _load(self, weights: str) -> None:
        file = published.DETECTORS[self.config.network]
        with published.naming(weights):
            state = state_from(published.read_published(weights, file), self.network, file.structure)
        self.network.load_state_dict(self.network.state_dict() | state)
        # The threshold head is not published. A copy of the probability head knows where borders are. Its
        # last layer starts with zeros, so that it does not disturb the features before it has learned.
        self.threshold.load_state_dict(self.network.head.state_dict())
        nn.init.zeros_(self.threshold.last.weight)
        nn.init.zeros_(self.threshold.last.bias)  # type: ignore[arg-type]

    def layers_by_depth(self) -> list[list[nn.Parameter]]:
        """Return the parameters of the stem, of each block of the backbone and of the pyramid."""
        return [*self.network.backbone.layers_by_depth(), list(self.network.neck.parameters())]

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Run the network.

        Args:
            images: uint8, (batch, 3, height, width), RGB; height and width are multiples of 32.

        Returns:
            float32 maps, (batch, height, width), 0 to 1: "probability"; in training also "threshold",
            "binary" and "logits", the inputs of the probability map's sigmoid.
        """
        images = images.contiguous(memory_format=torch.channels_last)
        x = normalize(images, self.threshold.last.weight.dtype)
        logits, thresholds = self._maps(x)
        probability = logits.sigmoid()
        if thresholds is None:
            return {"probability": probability}
        threshold = thresholds.sigmoid()
        binary = differentiable_step(probability, threshold, self.config.k)
        return {"probability": probability, "logits": logits, "threshold": threshold, "binary": binary}

    def _maps(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the logits of the probability map, and in training those of the threshold map."""
        features = self.network.features(x)
        logits = self.network.head(features).squeeze(1).float()
        return logits, self.threshold(features).squeeze(1).float() if self.training else None

    def loss(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the weighted parts of the loss: "probability", "binary" and "threshold", scalars."""
        shrunk, mask, threshold, threshold_mask = (
            targets[key].float() for key in ("shrunk", "mask", "threshold", "threshold_mask")
        )
        config = self.config
        probability = dice_loss(outputs["probability"], shrunk, mask)
        probability = probability + focal_loss(outputs["logits"], shrunk, mask, config.gamma)
        distance = masked_l1_loss(outputs["threshold"], threshold, threshold_mask)
        return {
            "probability": config.probability_weight * probability,
            "binary": config.binary_weight * dice_loss(outputs["binary"], shrunk, mask),
            "threshold": config.threshold_weight * distance,
        }
