"""Steps whose loss or gradient is not finite: found before the optimizer acts on them.

A window is what one step of the optimizer adds up: `trainer.accumulate_grad_batches` batches. The host
waits for the device once in a window. The schedule goes on over steps that are passed over: they count.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor, nn
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

from ocr_trainer.config.schema import Nonfinite, OptimizerConfig
from ocr_trainer.data.loader import all_reduce_sum
from ocr_trainer.data.types import Batch
from ocr_trainer.errors import NumbersError
from ocr_trainer.internals.torch import copy_all, float_buffers
from ocr_trainer.tasks.base import LearningTask

NAMED, TOLD, KEPT = 3, 5, 20
"""How many parameters are named, how many steps passed over are told at once, how many the report has."""

Fault = tuple[bool, str, list[str]]
"""Whether it lies in the loss already, what is not finite, and the samples it came of."""


class NonfiniteGuard(Callback):
    """Ends the run before such a step, or passes the step over, as `optimizer.nonfinite` says.

    Buffers, such as BatchNorm's statistics, are put back as they were before the window. Where a
    GradScaler is at work (16-mixed), infinite gradients are its business: it looks for them, and lowers
    its factor. All processes do alike: what one of them finds, all act on.
    """

    def __init__(self, config: OptimizerConfig) -> None:
        """Keep what is to be done."""
        self.config = config
        self.count = self.in_a_row = 0
        self.events: list[dict[str, Any]] = []
        """The first of the steps passed over."""
        self._open = False
        self._losses: list[Tensor] = []
        self._sources: list[list[str]] = []
        self._places: list[tuple[dict[str, Any], str]] = []
        self._kept: list[Tensor] = []

    def to_dict(self) -> dict[str, Any] | None:
        """Return what report.json says of steps passed over; nothing if there were none."""
        return {"count": self.count, "first": self.events} if self.count else None

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run goes on with."""
        return {"count": self.count, "in_a_row": self.in_a_row, "events": self.events}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting."""
        self.count, self.in_a_row = state_dict["count"], state_dict["in_a_row"]
        self.events = list(state_dict["events"])

    def on_train_start(self, trainer: Trainer, pl_module: LearningTask) -> None:  # type: ignore[override]
        """Find the buffers; they are looked up by name, as a forward may put others in their places."""
        self._places = float_buffers(pl_module)
        self._close()

    def on_train_batch_start(  # type: ignore[override]
        self, trainer: Trainer, pl_module: LearningTask, batch: Batch, batch_idx: int
    ) -> None:
        """Keep the buffers as they are before the first batch of a window."""
        if not self._open:
            self._open = True
            self._keep()
        if len(batch):
            self._sources.append(batch.sources)

    def on_before_backward(  # type: ignore[override]
        self, trainer: Trainer, pl_module: LearningTask, loss: Tensor
    ) -> None:
        """Note the loss, which stays on its device."""
        self._losses.append(loss.detach())

    def on_before_optimizer_step(  # type: ignore[override]
        self, trainer: Trainer, pl_module: LearningTask, optimizer: Optimizer
    ) -> None:
        """Look at the losses of the window and at the norm of its gradients; act if any is not finite.

        Raises:
            NumbersError: The step cannot be taken, and is not to be passed over, or too many were.
        """
        losses = self._losses
        values = [*losses, *([] if _scaled(trainer) else [_norm(optimizer)])]
        found, anywhere = _read(values, pl_module.device)
        if not anywhere:
            self.in_a_row = 0
        else:
            self._put_back()
            fault = self._fault(trainer, pl_module.model, found[: len(losses)], found[len(losses) :])
            self._pass_over(trainer, pl_module, optimizer, _joined(all_reduce_sum([fault])))
        self._close()

    def on_validation_start(self, trainer: Trainer, pl_module: LearningTask) -> None:  # type: ignore[override]
        """Score nothing with buffers that a batch has spoiled whose step is still to come."""
        self._mend()

    def on_save_checkpoint(  # type: ignore[override]
        self, trainer: Trainer, pl_module: LearningTask, checkpoint: dict[str, Any]
    ) -> None:
        """Save no such buffers; the checkpoint holds them, not copies."""
        self._mend()

    def on_exception(  # type: ignore[override]
        self, trainer: Trainer, pl_module: LearningTask, exception: BaseException
    ) -> None:
        """Leave the model as it was before the window: its step will not be taken."""
        if self._open:
            self._put_back()
            self._close()

    def _keep(self) -> None:
        values = [owner[name] for owner, name in self._places]
        if [value.shape for value in values] != [kept.shape for kept in self._kept]:
            self._kept = [value.clone() for value in values]
        elif values:
            copy_all(self._kept, values)

    def _put_back(self) -> None:
        for (owner, name), kept in zip(self._places, self._kept, strict=True):
            if owner[name].shape == kept.shape:
                owner[name].copy_(kept)
            else:
                owner[name] = kept.clone()

    def _mend(self) -> None:
        if self._losses and not torch.isfinite(torch.stack(self._losses)).all():
            self._put_back()

    def _close(self) -> None:
        self._open, self._losses, self._sources = False, [], []

    def _fault(
        self, trainer: Trainer, model: nn.Module, losses: list[float], norms: list[float]
    ) -> Fault | None:
        """Say what this process found not to be finite."""
        bad = [place for place, loss in enumerate(losses) if not math.isfinite(loss)]
        if bad:
            # Lightning has the parts of the latest batch alone.
            logged = trainer.callback_metrics.items() if bad[-1] == len(losses) - 1 else ()
            parts = {n: float(v) for n, v in logged if n.startswith("train/") and not torch.isfinite(v)}
            parts = parts or {"train/loss": losses[bad[0]]}
            told = ", ".join(f"{name} {value:g}" for name, value in parts.items())
            return True, f"the loss ({told})", [n for place in bad for n in self._sources[place]]
        if all(math.isfinite(norm) for norm in norms):
            return None
        return False, f"the gradient of {_names(model)}", [n for names in self._sources for n in names]

    def _pass_over(
        self, trainer: Trainer, pl_module: LearningTask, optimizer: Optimizer, fault: tuple[str, list[str]]
    ) -> None:
        what, samples = fault
        step, epoch, lr = trainer.global_step + 1, trainer.current_epoch + 1, optimizer.param_groups[0]["lr"]
        where = f"step {step}, in epoch {epoch}, at the learning rate {lr:g}"
        if self.config.nonfinite is Nonfinite.stop:
            raise NumbersError(
                f"{what} is not finite: {where}\n  samples: {', '.join(samples)}\n"
                f"  the step was not taken; the weights are as they were before it\n"
                f"  try {', '.join(_remedies(trainer, self.config))}, "
                "or optimizer.nonfinite=skip, which passes such steps over"
            )
        self.count += 1
        self.in_a_row += 1
        if self.in_a_row >= self.config.max_nonfinite:
            raise NumbersError(
                f"{self.in_a_row} steps in a row were passed over (optimizer.max_nonfinite); of the last, "
                f"{what} is not finite: {where}\n  samples: {', '.join(samples)}\n"
                f"  try {', '.join(_remedies(trainer, self.config))}"
            )
        if len(self.events) < KEPT:
            self.events.append({"step": step, "epoch": epoch, "lr": lr, "what": what, "samples": samples})
        # Without gradients an optimizer does nothing: neither decay nor momentum.
        optimizer.zero_grad(set_to_none=True)
        if self.count <= TOLD or self.count % 100 == 0:
            more = " (from here on each hundredth is told)" if self.count == TOLD else ""
            pl_module.print(f"note: passed over {where}: {what} is not finite{more}")


def _scaled(trainer: Trainer) -> bool:
    return getattr(trainer.precision_plugin, "scaler", None) is not None


def _norm(optimizer: Optimizer) -> Tensor:
    """Return the gradients' Euclidean norm: it overflows where an optimizer that squares them does."""
    parameters = (p for group in optimizer.param_groups for p in group["params"])
    return get_total_norm([p.grad for p in parameters if p.grad is not None])


def _read(values: list[Tensor], device: torch.device) -> tuple[list[float], bool]:
    """Bring values to the host, and whether any of them, in any process, is not finite."""
    together = torch.stack([value.to(device) for value in values] or [torch.zeros((), device=device)])
    anywhere = (~torch.isfinite(together)).any().float()[None]
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(anywhere, torch.distributed.ReduceOp.MAX)
    *found, flag = torch.cat([together, anywhere]).tolist()
    return found[: len(values)], bool(flag)


def _joined(faults: list[Fault | None]) -> tuple[str, list[str]]:
    """Return what the processes found, as one: gradients are shared, so losses tell where it began."""
    found = [fault for fault in faults if fault is not None]
    found = [fault for fault in found if fault[0]] or found
    return "; ".join(dict.fromkeys(fault[1] for fault in found)), [n for fault in found for n in fault[2]]


def _names(model: nn.Module) -> str:
    """Name the first parameters whose gradient's norm is not finite."""
    norms = {name: float(p.grad.norm()) for name, p in model.named_parameters() if p.grad is not None}
    # The norms of all may be finite, and only their sum too large.
    bad = [name for name, norm in norms.items() if not math.isfinite(norm)]
    bad = bad or [max(norms, key=norms.__getitem__)]
    return ", ".join(bad[:NAMED]) + (f" and {len(bad) - NAMED} more" if len(bad) > NAMED else "")


def _remedies(trainer: Trainer, config: OptimizerConfig) -> list[str]:
    """Return options to try, as they would be given."""
    clip = trainer.gradient_clip_val
    found = [f"optimizer.lr={config.lr / 10:g}", f"trainer.gradient_clip_val={clip / 10 if clip else 1:g}"]
    if trainer.precision.startswith(("16", "bf16-true")):
        found.append("trainer.precision=bf16-mixed or 32-true")
    return found
