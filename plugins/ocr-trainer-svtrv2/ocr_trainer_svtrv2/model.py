"""SVTRv2 (Du et al. 2024)."""

from __future__ import annotations

import math

from torch import Tensor, nn

from ocr_trainer.plugin import Context
from ocr_trainer.tasks.recognition.ctc import CtcRecognizer
from ocr_trainer_svtrv2.blocks import columns
from ocr_trainer_svtrv2.guidance import Guidance
from ocr_trainer_svtrv2.network import PLANS, Encoder, Rearrangement, initialize
from ocr_trainer_svtrv2.plugin import SVTRv2Config

BLANKS = 0.75
"""Probability of the blank before training."""


class SVTRv2(CtcRecognizer):
    """A CTC recognizer that brings its features into reading order before the classifier.

    Du, Chen, Xie, Jia, Jiang, "SVTRv2: CTC Beats Encoder-Decoder Models in Scene Text Recognition",
    2024, arXiv 2411.15858.
    """

    stride = 4

    config: SVTRv2Config

    def __init__(self, config: SVTRv2Config, context: Context) -> None:
        super().__init__(config, context.charset)
        plan = PLANS[config.size]
        channels = plan.channels[-1]
        self.encoder = Encoder(plan, config.drop_path)
        self.rearrangement = Rearrangement(channels, config.row_pre_norm)
        self.head = nn.Linear(channels, self.classes)
        initialize(self.head)
        # Most steps are blank. With uniform classes at the start, the network first learns only that, from
        # gradients that all positions share: features become alike everywhere, and small trainings stall.
        nn.init.constant_(self.head.bias[:1], math.log(BLANKS / (1 - BLANKS) * len(self.charset)))
        self.guidance = Guidance(len(self.charset), channels, config.context) if config.sgm else None

    def layers_by_depth(self) -> list[list[nn.Parameter]]:
        """Return the parameters of the stem and of each block of the encoder."""
        return self.encoder.layers_by_depth()

    def steps(self, width: int) -> int:
        """Return the number of steps of an image that is `width` columns wide: one per four columns."""
        return -(-width // 4)

    def forward(self, images: Tensor, widths: Tensor) -> dict[str, Tensor]:
        """Run the network.

        Args:
            images: uint8, (batch, 3, height, width), RGB; the width is a multiple of 4.
            widths: int64, (batch,): the number of columns of each image that are not padding.

        Returns:
            "logits", float32, (batch, width / 4, 1 + characters), the blank first; "steps", int64,
            (batch,): the number of steps that are not padding; in training with `sgm`, also the encoder's
            "features", (batch, height / 8, width / 4, channels).
        """
        x = images.permute(0, 2, 3, 1).to(self.head.weight.dtype) / 127.5 - 1
        features, mask = self.encoder(x, widths)
        logits = self.head(self.rearrangement(features, mask)).float()
        outputs = {"logits": logits, "steps": mask.sum(dim=1)}
        if self.training and self.guidance is not None:
            outputs["features"] = features
        return outputs

    def loss(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the loss "ctc" and, with `sgm`, "sgm".

        The authors weigh the sum of CTC over a text by 0.1 and the mean of SGM over its characters by 1. The
        core's CTC is a mean over characters, so here both weigh 1, which is the same for ten characters.
        """
        parts = super().loss(outputs, targets)
        if self.guidance is not None:
            features = outputs["features"]
            mask = columns(outputs["steps"], features.shape[2]).repeat(1, features.shape[1])
            sgm = self.guidance(features.flatten(1, 2), mask, targets["codes"], targets["lengths"])
            parts["sgm"] = self.config.sgm_weight * sgm
        return parts

    def character_rows(self) -> dict[str, int]:
        """Return the tensors with a row per character, and the row of the first character in each."""
        rows = {"head.weight": 1, "head.bias": 1}
        if self.guidance is not None:
            names = ("embedding.weight", "head.weight", "head.bias")
            rows |= {f"guidance.{name}": 0 for name in names}
        return rows
