"""What a checkpoint of the last whole step needs once a later step has begun.

Until its optimizer runs, a step changes no weights. It does change the position of the training loop and the
buffers of the model: the position and the integer buffers are kept here, the others by `NonfiniteGuard`.
"""

from __future__ import annotations

from lightning.pytorch import Trainer

from ocr_trainer.internals.lightning import position
from ocr_trainer.internals.torch import copy_all, float_buffers


class LastStep:
    """The position and the integer buffers right after an optimizer step.

    Args:
        trainer: The Trainer, in the hooks of the end of the step's last batch.
    """

    def __init__(self, trainer: Trainer) -> None:
        self.position = position(trainer)
        self._buffers = float_buffers(trainer.lightning_module, floating=False)
        self._saved = [owner[name].clone() for owner, name in self._buffers]

    def update(self, trainer: Trainer) -> None:
        """Replace the step with the next one."""
        self.position = position(trainer)
        if self._saved:
            copy_all(self._saved, [owner[name] for owner, name in self._buffers])

    def restore_buffers(self) -> None:
        """Give the integer buffers the values of that time."""
        for (owner, name), saved in zip(self._buffers, self._saved, strict=True):
            owner[name].copy_(saved)
