"""DBNet (Liao et al., AAAI 2020) and DBNet++ (Liao et al., TPAMI 2022)."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ocr_trainer.data.types import Detections, Sample
from ocr_trainer.plugin import Context
from ocr_trainer.tasks.detection import Detector
from ocr_trainer.tasks.detection.backbone import build_backbone
from ocr_trainer.tasks.exportable import Exportable, OutputKind
from ocr_trainer_dbnet.decode import calibration_candidates, decode_map, unclip_ratio
from ocr_trainer_dbnet.fusion import AdaptivePyramid
from ocr_trainer_dbnet.loss import balanced_cross_entropy, dice_loss, masked_l1_loss
from ocr_trainer_dbnet.network import FeaturePyramid, Head, differentiable_step
from ocr_trainer_dbnet.plugin import DBNetConfig, Side, Unclip
from ocr_trainer_dbnet.targets import make_targets


class DBNet(Detector):
    """A detector that learns a probability map of text and, in training only, its binarization threshold.

    Liao, Wan, Yao, Chen, Bai, "Real-time Scene Text Detection with Differentiable Binarization", AAAI 2020
    (arXiv 1911.08947).

    Raises:
        PluginError: The backbone's plugin is missing or broken.
        ConfigError: The backbone is not available with its options.
        CheckpointError: The backbone's weights are not available, cannot be read, or do not fit.
    """

    score_option: ClassVar[str | None] = "box_threshold"
    pyramid: ClassVar[type[FeaturePyramid]] = FeaturePyramid
    """The module that merges the backbone's features."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: DBNetConfig, context: Context) -> None:
        super().__init__()
        self.config = config
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

    def scale(self, height: int, width: int) -> float:
        """Return the factor that scales `config.side` to `config.size`, limited by `config.max_side`."""
        size = self.config.size
        factor = {
            Side.short: size / min(height, width),
            Side.long: size / max(height, width),
            Side.width: size / width,
            Side.none: 1.0,
        }[self.config.side]
        return min(factor, self.config.max_side / max(height, width))

    def encode(self, sample: Sample) -> dict[str, np.ndarray]:
        """Return the target maps of a sample; see `targets.make_targets`."""
        return make_targets(sample.polygons, sample.ignore, sample.image.shape[:2], self.config)

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

    def decode(self, outputs: dict[str, Tensor], sizes: list[tuple[int, int]]) -> list[Detections]:
        """Find the text regions in each probability map; see `decode.decode_map`."""
        config = self.config
        maps = outputs["probability"].detach().float().cpu().numpy()
        maps = maps.reshape(len(sizes), *maps.shape[-2:])
        return [decode_map(map_, size, config) for map_, size in zip(maps, sizes, strict=True)]

    def exportable(self) -> Exportable:
        """Return the model itself: in evaluation mode it returns the probability map alone."""
        config = self.config
        sizes = {"side": config.side.value, "size": config.size, "max_side": config.max_side}
        names = ("binarize_threshold", "box_threshold", "max_candidates", "min_side", "shrink_ratio")
        unclip = None if config.unclip is Unclip.exact else unclip_ratio(config)
        rules = {"shape": config.shape.value, "unclip": config.unclip.value, "unclip_ratio": unclip}
        options = {name: getattr(config, name) for name in names}
        return Exportable(
            self, OutputKind.regions, "probability", sizes, {"decode": "regions", **options, **rules}
        )

    def positives(self, targets: dict[str, Tensor]) -> int:
        """Return the number of pixels of a batch that lie in learned kernels."""
        return int((targets["shrunk"] * targets["mask"]).sum())

    def calibrations(self) -> list[dict[str, Any]]:
        """Return the decoding settings to choose from on validation data."""
        return calibration_candidates(self.config)


class DBNetPP(DBNet):
    """DBNet with adaptive scale fusion (Liao et al., TPAMI 2022); see `fusion`."""

    pyramid = AdaptivePyramid
