"""DBNet (Liao et al., AAAI 2020) and DBNet++ (Liao et al., TPAMI 2022)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from ocr_trainer.plugin import Context
from ocr_trainer.tasks.detection.backbone import build_backbone
from ocr_trainer_dbnet.detector import DBDetector
from ocr_trainer_dbnet.fusion import AdaptivePyramid
from ocr_trainer_dbnet.loss import balanced_cross_entropy, dice_loss, masked_l1_loss
from ocr_trainer_dbnet.network import FeaturePyramid, Head, differentiable_step
from ocr_trainer_dbnet.plugin import DBNetConfig


class DBNet(DBDetector):
    """A detector that learns a probability map of text and, in training only, its binarization threshold.

    Liao, Wan, Yao, Chen, Bai, "Real-time Scene Text Detection with Differentiable Binarization", AAAI 2020
    (arXiv 1911.08947).

    Raises:
        PluginError: The backbone's plugin is missing or broken.
        ConfigError: The backbone is not available with its options.
        CheckpointError: The backbone's weights are not available, cannot be read, or do not fit.
    """

    pyramid: ClassVar[type[FeaturePyramid]] = FeaturePyramid
    """The module that merges the backbone's features."""

    config: DBNetConfig
    mean: Tensor
    std: Tensor

    def __init__(self, config: DBNetConfig, context: Context) -> None:
        super().__init__(config)
        self.backbone = build_backbone(config.backbone, context)
        self.neck = self.pyramid(self.backbone.channels, config.neck_channels)
        self.probability = Head(config.neck_channels)
        self.threshold = Head(config.neck_channels)
        self.register_buffer("mean", torch.tensor(self.backbone.mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(self.backbone.std).view(3, 1, 1), persistent=False)

    def layers_by_depth(self) -> list[list[nn.Parameter]]:
        """Return the parameters of each layer of the backbone, or no layers if it does not define them."""
        layers: list[list[nn.Parameter]] = getattr(self.backbone, "layers_by_depth", list)()
        return layers

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Run the network.

        Args:
            images: uint8, (batch, 3, height, width), RGB; height and width are multiples of 32.

        Returns:
            float32 maps, (batch, height, width), 0 to 1: "probability"; in training also "threshold",
            "binary" and "logits", the inputs of the probability map's sigmoid.
        """
        # Convolutions keep the memory layout of their input; channels last saves 20 % of a step on a CPU.
        images = images.contiguous(memory_format=torch.channels_last)
        x = (images.to(self.mean.dtype) - self.mean) / self.std
        features = self.neck(self.backbone(x))
        # float32 from here: the step is 50 times as steep as a sigmoid, too steep for bfloat16.
        logits = self.probability(features).squeeze(1).float()
        probability = logits.sigmoid()
        if not self.training:
            return {"probability": probability}
        threshold = self.threshold(features).squeeze(1).float().sigmoid()
        binary = differentiable_step(probability, threshold, self.config.k)
        return {"probability": probability, "logits": logits, "threshold": threshold, "binary": binary}

    def loss(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the weighted parts of the loss: "probability", "binary" and "threshold", scalars."""
        shrunk, mask, threshold, threshold_mask = (
            targets[key].float() for key in ("shrunk", "mask", "threshold", "threshold_mask")
        )
        config = self.config
        entropy = balanced_cross_entropy(outputs["logits"], shrunk, mask, config.negative_ratio)
        distance = masked_l1_loss(outputs["threshold"], threshold, threshold_mask)
        return {
            "probability": config.probability_weight * entropy,
            "binary": config.binary_weight * dice_loss(outputs["binary"], shrunk, mask),
            "threshold": config.threshold_weight * distance,
        }


class DBNetPP(DBNet):
    """DBNet with adaptive scale fusion (Liao et al., TPAMI 2022); see `fusion`."""

    pyramid = AdaptivePyramid
