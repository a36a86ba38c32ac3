"""CRNN (Shi, Bai, Yao, TPAMI 2017)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ocr_trainer.plugin import Context
from ocr_trainer.tasks.recognition.ctc import CtcRecognizer
from ocr_trainer_crnn.network import BiLSTM, Features, column_mask, initialize
from ocr_trainer_crnn.plugin import STRIDE, CRNNConfig

LUMA = (0.299, 0.587, 0.114)
"""The weights of red, green and blue in gray (ITU-R BT.601)."""
HIDDEN = 256


class CRNN(CtcRecognizer):
    """A recognizer that looks at an image column by column, with what stands left and right of each in mind.

    Shi, Bai, Yao, "An End-to-End Trainable Neural Network for Image-based Sequence Recognition and Its
    Application to Scene Text Recognition", TPAMI 2017 (arXiv 1507.05717).
    """

    stride = STRIDE
    luma: Tensor

    def __init__(self, config: CRNNConfig, context: Context) -> None:
        super().__init__(config, context.charset)
        hidden = HIDDEN // config.size.share
        self.features = Features(config.height, config.size.share)
        self.lower = BiLSTM(self.features.channels, hidden)
        self.between = nn.Linear(2 * hidden, hidden)
        self.upper = BiLSTM(hidden, hidden)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(2 * hidden, self.classes)
        self.apply(initialize)
        self.register_buffer("luma", torch.tensor(LUMA).view(3, 1, 1) / 127.5, persistent=False)

    def steps(self, width: int) -> int:
        """Return the number of steps: one per 4 columns, and one less, as the last convolution spans two."""
        return width // STRIDE - 1

    def forward(self, images: Tensor, widths: Tensor) -> dict[str, Tensor]:
        """Run the network; gray from -1 to 1, and 0 in the padding.

        Args:
            images: uint8, (batch, 3, height, width), RGB; the width is a multiple of 4.
            widths: int64, (batch,): columns that are not padding.

        Returns:
            "logits", (batch, width / 4 - 1, classes), and "steps", int64 (batch,).
        """
        gray = (images.to(self.luma.dtype) * self.luma).sum(1)[..., None].permute(0, 3, 1, 2) - 1
        # The permutation says that channels are last, where one channel leaves it open: on a CPU, the
        # convolutions take two thirds of the time that they take with the channels first.
        x = self.features(gray * column_mask(widths, gray), widths)
        steps = torch.div(widths, STRIDE, rounding_mode="floor") - 1
        x = self.between(self.dropout(self.lower(x, steps)))
        return {"logits": self.head(self.dropout(self.upper(x, steps))), "steps": steps}

    def character_rows(self) -> dict[str, int]:
        """Return the tensors of the last layer, whose first row is the blank's."""
        return {"head.weight": 1, "head.bias": 1}
