"""`TrainableModel`, the base class of the models of detection and recognition."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import nn

from ocr_trainer.errors import ExportError
from ocr_trainer.plugin import OptimizerConfig
from ocr_trainer.tasks.exportable import Exportable


class TrainableModel(nn.Module):
    """A `torch.nn.Module` that may follow the progress of its training and say how to optimize it."""

    def on_step(self, step: int, epoch: int, total_steps: int | None) -> None:
        """Adapt to the progress of training. Called before `forward` for each training batch.

        A resumed run continues with the same numbers. The copies of the model in data workers are not called.
        The default does nothing.

        Args:
            step: The optimizer step that the batch belongs to, from 0.
            epoch: The epoch, from 0.
            total_steps: The number of optimizer steps of the run, or None if it is unlimited.
        """

    def parameter_groups(self, config: OptimizerConfig) -> Sequence[dict[str, Any]] | None:
        """Return groups of parameters with learning rates or weight decay of their own.

        The default returns None: all parameters have those of the run.

        Args:
            config: The options of the optimizer.

        Returns:
            Dicts with `params`, a list of parameters, and, if wanted, `lr_scale`, a factor of the learning
            rate, and `weight_decay`, which then also holds for norms and biases. Each trainable parameter is
            in one group; frozen ones are ignored.
        """
        return None

    def layers_by_depth(self) -> Sequence[Iterable[nn.Parameter]]:
        """Return the parameters of each layer, from the input up, for `optimizer.layer_decay`.

        Parameters in none of them belong to the head, which has the full learning rate. The default returns
        no layers: the model cannot be trained with layer-wise learning rate decay.
        """
        return ()

    def exportable(self) -> Exportable:
        """Return the network to export, and what its outputs mean. The default refuses.

        Raises:
            ExportError: The model cannot be exported, with the reason.
        """
        raise ExportError(
            f"{type(self).__name__} cannot be exported: it does not implement `exportable`, which says what "
            "its outputs mean"
        )


def device_of(model: nn.Module) -> torch.device:
    """Return where the parameters of a model are."""
    return next(model.parameters()).device
