"""What a checkpoint of the last whole step needs once a later step has begun.

Until its optimizer runs, a step changes no weights. It does change the position of the training loop and the
buffers of the model, such as BatchNorm's statistics.
"""

from __future__ import annotations

from lightning.pytorch import Trainer

from ocr_trainer.internals.lightning import position
from ocr_trainer.internals.torch import copy_all, float_buffers


class LastStep:
    """The position and the buffers right after an optimizer step.

    Args:
        trainer: The Trainer, in the hooks of the end of the step's last batch.
    """

    def __init__(self, trainer: Trainer) -> None:
        self.position = position(trainer)
        # One list per type: a fused copy needs tensors of one type.
        self._buffers = [float_buffers(trainer.lightning_module, floating) for floating in (True, False)]
        self._saved = [[owner[name].clone() for owner, name in buffers] for buffers in self._buffers]

    def update(self, trainer: Trainer) -> None:
        """Replace the step with the next one."""
        self.position = position(trainer)
        for buffers, saved in zip(self._buffers, self._saved, strict=True):
            if saved:
                copy_all(saved, [owner[name] for owner, name in buffers])

    def restore_buffers(self) -> None:
        """Give the buffers the values of that time."""
        for buffers, saved in zip(self._buffers, self._saved, strict=True):
            for (owner, name), value in zip(buffers, saved, strict=True):
                owner[name].copy_(value)
