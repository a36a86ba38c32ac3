"""Contract suite for optimizers."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ocr_trainer.plugin import Kind, OptimizerConfig
from ocr_trainer.testing.plugins import PluginSuite

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer


class OptimizerSuite(PluginSuite):
    """The contract of an optimizer: it minimizes, takes the run's parameter groups, and resumes exactly."""

    kind: ClassVar[Kind] = Kind.optimizer

    lr: ClassVar[float] = 0.05
    """Learning rate of the suite's steps."""
    steps: ClassVar[int] = 200
    """Number of steps within which it must halve the distance to a minimum."""

    def network(self, seed: int = 0) -> nn.Module:
        """Return a small network with parameters of one, two and four dimensions."""
        import torch
        from torch import nn

        torch.manual_seed(seed)
        return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8, 4))

    def optimizer(self, network: nn.Module, folder: Path) -> Optimizer:
        """Build the optimizer of a network, as a run does."""
        from ocr_trainer.optim.optimizer import make_optimizer

        return make_optimizer(network, self.run(f"optimizer.lr={self.lr}"), self.context(folder))

    def test_its_config_has_the_options_of_all_optimizers(self) -> None:
        """The core reads `lr`, `weight_decay` and others."""
        config = self.description.config
        assert issubclass(config, OptimizerConfig), (
            f"{config.__name__} must derive from ocr_trainer.plugin.OptimizerConfig"
        )

    def test_it_minimizes(self, tmp_path: Path) -> None:
        """It approaches the minimum of a quadratic function of all parameters."""
        import torch

        network = self.network()
        targets = [torch.randn_like(p) for p in network.parameters()]
        optimizer = self.optimizer(network, tmp_path)
        first = float(_distance(network, targets).detach())
        for _ in range(self.steps):
            _step(optimizer, _distance(network, targets))
        last = float(_distance(network, targets).detach())
        assert last < first / 2, (
            f"after {self.steps} steps, the distance to the minimum must be less than half of {first:.3g},"
            f" not {last:.3g}. If it learns slowly, set `steps` or `lr` of the suite"
        )

    def test_it_runs_the_closure_once(self, tmp_path: Path) -> None:
        """Lightning passes forward and backward pass to `step` as a function."""
        import torch

        network = self.network()
        optimizer = self.optimizer(network, tmp_path)
        called = []

        def closure() -> float:
            called.append(torch.is_grad_enabled())
            loss = _distance(network, [torch.full_like(p, 2.0) for p in network.parameters()])
            if torch.is_grad_enabled():
                loss.backward()  # type: ignore[no-untyped-call]
            return float(loss.detach())

        before = [p.detach().clone() for p in network.parameters()]
        optimizer.step(closure)
        assert called == [True], (
            f"step(closure) must call the closure once, with gradients enabled; in its calls: {called}"
        )
        assert not any(map(torch.equal, network.parameters(), before)), (
            "step(closure) must use the gradients that the closure computes: call it first"
        )

    def test_it_resumes_exactly(self, tmp_path: Path) -> None:
        """With the state from a checkpoint, it continues as if it had never stopped, bit for bit."""
        import torch

        straight, stopped, resumed = self.network(), self.network(), self.network(seed=1)
        targets = [torch.randn_like(p) for p in straight.parameters()]
        self._train(straight, targets, tmp_path, steps=6)
        optimizer = self._train(stopped, targets, tmp_path, steps=3)
        file = io.BytesIO()
        torch.save({"network": stopped.state_dict(), "optimizer": optimizer.state_dict()}, file)
        file.seek(0)
        # As in a run: nothing in a checkpoint can execute code.
        saved = torch.load(file, weights_only=True)
        resumed.load_state_dict(saved["network"])
        self._train(resumed, targets, tmp_path, steps=3, state=saved["optimizer"])
        for (name, expected), value in zip(straight.named_parameters(), resumed.parameters(), strict=True):
            assert torch.equal(expected, value), (
                f"{name} must be the same after resuming: keep all state in `self.state` and the groups"
            )

    def test_it_uses_the_learning_rate_of_each_group(self, tmp_path: Path) -> None:
        """Schedules and layer decay set `lr` of the groups; at 0, nothing changes."""
        import torch

        network = self.network()
        optimizer = self.optimizer(network, tmp_path)
        *others, last = optimizer.param_groups
        last["lr"] = 0.0
        before = {p: p.detach().clone() for p in network.parameters()}
        for _ in range(3):
            _step(optimizer, _distance(network, [torch.ones_like(p) for p in network.parameters()]))
        assert all(torch.equal(p, before[p]) for p in last["params"]), "with lr=0, a group must not change"
        moved = [not torch.equal(p, before[p]) for group in others for p in group["params"]]
        assert all(moved), "the groups whose lr is above 0 must change"

    def test_a_step_without_gradients_changes_nothing(self, tmp_path: Path) -> None:
        """A step that `optimizer.nonfinite=skip` skips has no gradients."""
        import torch

        network = self.network()
        targets = [torch.ones_like(p) for p in network.parameters()]
        optimizer = self._train(network, targets, tmp_path, steps=2)
        before = [p.detach().clone() for p in network.parameters()]
        optimizer.zero_grad(set_to_none=True)
        optimizer.step()
        assert all(map(torch.equal, network.parameters(), before)), (
            "without gradients, a step must not change parameters"
        )

    def _train(
        self,
        network: nn.Module,
        targets: list[Tensor],
        folder: Path,
        *,
        steps: int,
        state: dict[str, Any] | None = None,
    ) -> Optimizer:
        optimizer = self.optimizer(network, folder)
        if state is not None:
            optimizer.load_state_dict(state)
        for _ in range(steps):
            _step(optimizer, _distance(network, targets))
        return optimizer


def _distance(network: nn.Module, targets: list[Tensor]) -> Tensor:
    """Return half the squared distance of the parameters to their targets."""
    import torch

    pairs = zip(network.parameters(), targets, strict=True)
    return torch.stack([((p - target) ** 2).sum() / 2 for p, target in pairs]).sum()


def _step(optimizer: Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
