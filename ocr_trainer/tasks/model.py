"""`TrainableModel`, the base class of the models of detection and recognition."""

from __future__ import annotations

from torch import nn


class TrainableModel(nn.Module):
    """A `torch.nn.Module` that may follow the progress of its training."""

    def on_step(self, step: int, epoch: int, total_steps: int | None) -> None:
        """Adapt to the progress of training. Called before `forward` for each training batch.

        A resumed run continues with the same numbers. The copies of the model in data workers are not called.
        The default does nothing.

        Args:
            step: The optimizer step that the batch belongs to, from 0.
            epoch: The epoch, from 0.
            total_steps: The number of optimizer steps of the run, or None if it is unlimited.
        """
