"""Detect steps with a nonfinite loss or gradient before the optimizer applies them.

A window is the batches of one optimizer step: `trainer.accumulate_grad_batches` batches. The host
synchronizes with the device once per window. Skipped steps count for the learning rate schedule.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor, nn
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

from ocr_trainer.data.loader import all_reduce_sum
from ocr_trainer.data.types import Batch
from ocr_trainer.errors import NumbersError
from ocr_trainer.internals.torch import copy_all, float_buffers
from ocr_trainer.plugin import Nonfinite, OptimizerConfig
from ocr_trainer.tasks.base import LearningTask

MAX_NAMES, MAX_PRINTED, MAX_EVENTS = 3, 5, 20
"""How many parameters a message names, how many skipped steps are all printed, how many the report lists."""

Problem = tuple[bool, str, list[str]]
"""Whether the loss is nonfinite already, what is nonfinite, and the samples of the window."""


class NonfiniteGuard(Callback):
    """Ends the run before a nonfinite step, or skips the step, as `optimizer.nonfinite` says.

    Buffers, such as BatchNorm's statistics, are restored to their values before the window. With a GradScaler
    (16-mixed), infinite gradients are left to it: it detects them and lowers its scale. A step that is
    nonfinite in one process is skipped in all.

    Args:
        config: The optimizer section of the configuration.
    """

    def __init__(self, config: OptimizerConfig) -> None:
        self.config = config
        self.count = self.consecutive = 0
        self.events: list[dict[str, Any]] = []
        """The first `MAX_EVENTS` skipped steps."""
        self._in_window = False
        self._losses: list[Tensor] = []
        self._sources: list[list[str]] = []
        self._buffers: list[tuple[dict[str, Any], str]] = []
        self._saved: list[Tensor] = []

    def to_dict(self) -> dict[str, Any] | None:
        """Return the skipped steps for report.json, or None if there are none."""
        return {"count": self.count, "first": self.events} if self.count else None

    def state_dict(self) -> dict[str, Any]:
        """Return the counts, for the checkpoint."""
        # "in_a_row" is the name in checkpoint files.
        return {"count": self.count, "in_a_row": self.consecutive, "events": self.events}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the counts."""
        self.count, self.consecutive = state_dict["count"], state_dict["in_a_row"]
        self.events = list(state_dict["events"])

    def on_train_start(self, trainer: Trainer, pl_module: LearningTask[Any]) -> None:  # type: ignore[override]
        """Find the buffers."""
        # By name: a forward pass may replace the tensors.
        self._buffers = float_buffers(pl_module)
        self._close_window()

    def on_train_batch_start(  # type: ignore[override]
        self, trainer: Trainer, pl_module: LearningTask[Any], batch: Batch, batch_idx: int
    ) -> None:
        """Save the buffers before the first batch of a window."""
        if not self._in_window:
            self._in_window = True
            self._save_buffers()
        if len(batch):
            self._sources.append(batch.sources)

    def on_before_backward(  # type: ignore[override]
        self, trainer: Trainer, pl_module: LearningTask[Any], loss: Tensor
    ) -> None:
        """Record the loss."""
        # It stays on its device: reading it here would synchronize once per batch.
        self._losses.append(loss.detach())

    def on_before_optimizer_step(  # type: ignore[override]
        self, trainer: Trainer, pl_module: LearningTask[Any], optimizer: Optimizer
    ) -> None:
        """Check the losses of the window and the norm of its gradients. Skip the step if any is nonfinite.

        Raises:
            NumbersError: The step is nonfinite, and `optimizer.nonfinite` is `stop` or
                `optimizer.max_nonfinite` consecutive steps were skipped.
        """
        losses = self._losses
        values = [*losses, *([] if _scaled(trainer) else [_norm(optimizer)])]
        numbers, nonfinite_anywhere = _to_host(values, pl_module.device)
        if not nonfinite_anywhere:
            self.consecutive = 0
        else:
            self._restore_buffers()
            problem = self._problem(trainer, pl_module.model, numbers[: len(losses)], numbers[len(losses) :])
            self._skip(trainer, pl_module, optimizer, _merge(all_reduce_sum([problem])))
        self._close_window()

    def on_validation_start(self, trainer: Trainer, pl_module: LearningTask[Any]) -> None:  # type: ignore[override]
        """Restore buffers that a nonfinite batch of an unfinished window has spoiled."""
        self._restore_if_nonfinite()

    def on_save_checkpoint(  # type: ignore[override]
        self, trainer: Trainer, pl_module: LearningTask[Any], checkpoint: dict[str, Any]
    ) -> None:
        """Restore such buffers, which also changes the checkpoint: it holds references, not copies."""
        self._restore_if_nonfinite()

    def on_exception(  # type: ignore[override]
        self, trainer: Trainer, pl_module: LearningTask[Any], exception: BaseException
    ) -> None:
        """Restore the buffers: the step of the current window will not be taken."""
        if self._in_window:
            self._restore_buffers()
            self._close_window()

    def _save_buffers(self) -> None:
        values = [owner[name] for owner, name in self._buffers]
        if [value.shape for value in values] != [saved.shape for saved in self._saved]:
            self._saved = [value.clone() for value in values]
        elif values:
            copy_all(self._saved, values)

    def _restore_buffers(self) -> None:
        for (owner, name), saved in zip(self._buffers, self._saved, strict=True):
            if owner[name].shape == saved.shape:
                owner[name].copy_(saved)
            else:
                owner[name] = saved.clone()

    def _restore_if_nonfinite(self) -> None:
        if self._losses and not torch.isfinite(torch.stack(self._losses)).all():
            self._restore_buffers()

    def _close_window(self) -> None:
        self._in_window, self._losses, self._sources = False, [], []

    def _problem(
        self, trainer: Trainer, model: nn.Module, losses: list[float], norms: list[float]
    ) -> Problem | None:
        """Describe what is nonfinite in this process, or return None."""
        bad = [index for index, loss in enumerate(losses) if not math.isfinite(loss)]
        if bad:
            # Lightning only has the parts of the latest batch's loss.
            logged = trainer.callback_metrics.items() if bad[-1] == len(losses) - 1 else ()
            parts = {n: float(v) for n, v in logged if n.startswith("train/") and not torch.isfinite(v)}
            parts = parts or {"train/loss": losses[bad[0]]}
            listed = ", ".join(f"{name} {value:g}" for name, value in parts.items())
            return True, f"the loss ({listed})", [n for index in bad for n in self._sources[index]]
        if all(math.isfinite(norm) for norm in norms):
            return None
        return False, f"the gradient of {_names(model)}", [n for names in self._sources for n in names]

    def _skip(
        self,
        trainer: Trainer,
        pl_module: LearningTask[Any],
        optimizer: Optimizer,
        problem: tuple[str, list[str]],
    ) -> None:
        what, samples = problem
        step, epoch, lr = trainer.global_step + 1, trainer.current_epoch + 1, optimizer.param_groups[0]["lr"]
        where = f"step {step}, in epoch {epoch}, at learning rate {lr:g}"
        if self.config.nonfinite is Nonfinite.stop:
            raise NumbersError(
                f"{what} is not finite: {where}\n  samples: {', '.join(samples)}\n"
                f"  the step was not taken; the weights are those from before it\n"
                f"  try {', '.join(_remedies(trainer, self.config))}, "
                "or skip such steps with optimizer.nonfinite=skip"
            )
        self.count += 1
        self.consecutive += 1
        if self.consecutive >= self.config.max_nonfinite:
            raise NumbersError(
                f"{self.consecutive} consecutive steps were skipped (optimizer.max_nonfinite); "
                f"in the last one, {what} is not finite: {where}\n  samples: {', '.join(samples)}\n"
                f"  try {', '.join(_remedies(trainer, self.config))}"
            )
        if len(self.events) < MAX_EVENTS:
            self.events.append({"step": step, "epoch": epoch, "lr": lr, "what": what, "samples": samples})
        # Lightning still calls the optimizer, which without gradients does nothing, not even weight decay.
        optimizer.zero_grad(set_to_none=True)
        if self.count <= MAX_PRINTED or self.count % 100 == 0:
            more = " (from now on, every 100th is printed)" if self.count == MAX_PRINTED else ""
            pl_module.print(f"note: skipped {where}: {what} is not finite{more}")


def _scaled(trainer: Trainer) -> bool:
    """Return whether a GradScaler is in use."""
    return getattr(trainer.precision_plugin, "scaler", None) is not None


def _norm(optimizer: Optimizer) -> Tensor:
    """Return the Euclidean norm of the gradients, which overflows if squaring them in an optimizer does."""
    parameters = (p for group in optimizer.param_groups for p in group["params"])
    return get_total_norm([p.grad for p in parameters if p.grad is not None])


def _to_host(values: list[Tensor], device: torch.device) -> tuple[list[float], bool]:
    """Return scalar tensors as numbers, and whether any of them, in any process, is nonfinite."""
    stacked = torch.stack([value.to(device) for value in values] or [torch.zeros((), device=device)])
    anywhere = (~torch.isfinite(stacked)).any().float()[None]
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(anywhere, torch.distributed.ReduceOp.MAX)
    # One transfer, and so one synchronization, for all of them.
    *numbers, flag = torch.cat([stacked, anywhere]).tolist()
    return numbers[: len(values)], bool(flag)


def _merge(problems: list[Problem | None]) -> tuple[str, list[str]]:
    """Merge the problems of all processes.

    If any process has a nonfinite loss, only the losses count: gradients are shared, so they are nonfinite in
    all processes.
    """
    found = [problem for problem in problems if problem is not None]
    found = [problem for problem in found if problem[0]] or found
    what = "; ".join(dict.fromkeys(problem[1] for problem in found))
    return what, [sample for problem in found for sample in problem[2]]


def _names(model: nn.Module) -> str:
    """Return the names of the first parameters whose gradient has a nonfinite norm."""
    norms = {name: float(p.grad.norm()) for name, p in model.named_parameters() if p.grad is not None}
    bad = [name for name, norm in norms.items() if not math.isfinite(norm)]
    # Each norm may be finite and only their sum overflow.
    bad = bad or [max(norms, key=norms.__getitem__)]
    return ", ".join(bad[:MAX_NAMES]) + (f" and {len(bad) - MAX_NAMES} more" if len(bad) > MAX_NAMES else "")


def _remedies(trainer: Trainer, config: OptimizerConfig) -> list[str]:
    """Return options to try, as overrides."""
    clip = trainer.gradient_clip_val
    remedies = [f"optimizer.lr={config.lr / 10:g}", f"trainer.gradient_clip_val={clip / 10 if clip else 1:g}"]
    if trainer.precision.startswith(("16", "bf16-true")):
        remedies.append("trainer.precision=bf16-mixed or 32-true")
    return remedies
