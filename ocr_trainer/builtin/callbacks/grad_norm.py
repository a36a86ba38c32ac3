"""The callback `grad_norm`: norms of the gradients, before they are clipped."""

from __future__ import annotations

from collections.abc import Iterator

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

from ocr_trainer.builtin.callbacks.plugin import GradNormConfig
from ocr_trainer.internals.lightning import logged_step
from ocr_trainer.plugin import Context


class GradNorm(Callback):
    """Logs the Euclidean norm of the gradients of the model and of each of its top-level modules.

    Only the first process logs: with DDP, the gradients of all processes are the same.

    Args:
        config: How often.
        context: Unused.
    """

    def __init__(self, config: GradNormConfig, context: Context) -> None:
        self.every = config.every

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        """Log the norms; a GradScaler has unscaled them, and they are not clipped yet."""
        if not trainer.loggers or trainer.global_step % self.every:
            return
        norms = {f"grad_norm/{name}": float(norm) for name, norm in grad_norms(pl_module)}
        for logger in trainer.loggers:
            logger.log_metrics(norms, step=logged_step(trainer))


def grad_norms(task: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield the norm of all gradients as `total`, and that of each top-level module of the model."""
    model: nn.Module = task.model  # type: ignore[assignment]
    for name, module in (("total", model), *model.named_children()):
        grads = [p.grad for p in module.parameters() if p.grad is not None]
        if grads:
            yield name, get_total_norm(grads)
