"""PP-OCRv6's recognizer (PaddleOCR, 2026)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocr_trainer.plugin import Context
from ocr_trainer.tasks.recognition.charset import remap_charset_rows
from ocr_trainer.tasks.recognition.ctc import CtcRecognizer
from ocr_trainer_ppocrv6 import published
from ocr_trainer_ppocrv6.charset import characters_of, usable
from ocr_trainer_ppocrv6.networks import RecognizerNetwork, column_mask, normalize, steps_of
from ocr_trainer_ppocrv6.norms import FoldedNorms
from ocr_trainer_ppocrv6.onnx_file import OnnxNetwork
from ocr_trainer_ppocrv6.plugin import PPOCRv6RecConfig
from ocr_trainer_ppocrv6.sizes import RECOGNIZERS
from ocr_trainer_ppocrv6.weights import state_from

ROWS = {"head.weight": 1, "head.bias": 1}
"""The tensors with a row per character, each with the row of the first character; row 0 is the blank."""


class PPOCRv6Recognizer(FoldedNorms, CtcRecognizer):
    """A CTC recognizer with a light backbone and attention over the steps.

    Raises:
        CheckpointError: The initial weights are not available or do not fit.
    """

    stride = 8
    config: PPOCRv6RecConfig

    def __init__(self, config: PPOCRv6RecConfig, context: Context) -> None:
        super().__init__(config, context.charset)
        self.network = RecognizerNetwork(RECOGNIZERS[config.size], config.height, self.classes)
        self.register_folded(config.weights is not None)
        if config.weights is not None:
            self._load(config.weights)

    def _load(self, weights: str) -> None:
        file = published.RECOGNIZERS[self.config.size]
        with published.naming(weights):
            state = self._state(published.read_published(weights, file), file.structure)
        self.network.load_state_dict(self.network.state_dict() | state)

    def _state(self, content: OnnxNetwork, structure: str) -> dict[str, Tensor]:
        """Return the network's state with the rows of the file's characters moved to this charset."""
        characters = characters_of(content)
        with torch.device("meta"):
            skeleton = RecognizerNetwork(
                RECOGNIZERS[self.config.size], self.config.height, 1 + len(characters)
            )
        state = state_from(content, skeleton, structure)
        own = self.network.state_dict()
        # A new character starts with the mean of the published rows: at first, it is as unlikely as they are.
        average = {name: state[name][first:].mean(0).expand_as(own[name]) for name, first in ROWS.items()}
        return state | dict(remap_charset_rows(state, average, ROWS, characters, self.charset))

    def layers_by_depth(self) -> list[list[nn.Parameter]]:
        """Return the parameters of the stem, of each block of the backbone and of the sequence encoder."""
        return [*self.network.backbone.layers_by_depth(), *self.network.encoder.layers_by_depth()]

    def steps(self, width: int) -> int:
        """Return the number of steps of an image of `width` columns: one per eight columns."""
        return steps_of(max(width, self.config.canvas))

    def forward(self, images: Tensor, widths: Tensor) -> dict[str, Tensor]:
        """Run the network.

        Args:
            images: uint8, (batch, 3, height, width), RGB.
            widths: int64, (batch,): the number of columns of each image that are not padding.

        Returns:
            "logits", float32, (batch, steps, 1 + characters), the blank first, and "steps", int64, (batch,):
            the number of steps of each image, one per eight columns of its canvas.
        """
        images = images.contiguous(memory_format=torch.channels_last)
        x = normalize(images, self.network.head.weight.dtype)
        x = at_least(x, self.config.canvas)
        canvases = larger(widths, self.config.canvas)
        x = x * column_mask(widths, x.shape[3], x)
        logits = self.network(x, canvases).float()
        return {"logits": logits, "steps": steps_of(canvases)}

    def character_rows(self) -> dict[str, int]:
        """Return the tensors of the last layer; their row 0 belongs to the blank."""
        return {f"network.{name}": first for name, first in ROWS.items()}


def at_least(x: Tensor, width: int) -> Tensor:
    """Pad images with 0 on the right to at least this width: float (batch, channels, height, columns)."""
    if torch._C._get_tracing_state():  # a Python number would fix the width of the example in the trace
        columns = larger(torch.as_tensor(x.shape[3]), width)
        return F.pad(x, (0, width))[..., :columns]
    return F.pad(x, (0, max(width - x.shape[3], 0)))


def larger(counts: Tensor, least: int) -> Tensor:
    """Return the counts, but at least `least` for each."""
    # Not `clamp`: OpenCV cannot clip integers.
    return torch.maximum(counts, torch.tensor(least, device=counts.device))


def initial_charset(config: PPOCRv6RecConfig) -> str:
    """Return the characters that the initial weights know; empty if the weights are random."""
    if config.weights is None:
        return ""
    with published.naming(config.weights):
        content = published.read_published(config.weights, published.RECOGNIZERS[config.size])
        return usable(characters_of(content))
