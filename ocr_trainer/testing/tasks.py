"""Contract suite for tasks."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, get_type_hints

from ocr_trainer.config.compose import compose
from ocr_trainer.config.schema import RunConfig, plain
from ocr_trainer.config.tasks import run_config_class
from ocr_trainer.config.validate import validate_options
from ocr_trainer.errors import ConfigError
from ocr_trainer.plugin import Config, Kind, Options, Task, TaskPlugin
from ocr_trainer.testing.plugins import PluginSuite, foreign_imports, undocumented

if TYPE_CHECKING:
    from ocr_trainer.data.types import Batch
    from ocr_trainer.engine.session import Session

BRIEF = (
    *("logger=[]", "data.num_workers=0", "data.log_images=1", "trainer.accelerator=cpu"),
    *("trainer.enable_progress_bar=false", "schedule=constant", "schedule.warmup=0", "trainer.max_steps=2"),
)


class TaskSuite(PluginSuite):
    """The contract of a task: a short run trains, validates, tests and resumes.

    `overrides` must choose a model of the task and a small dataset with a val split and at least two batches.
    """

    kind: ClassVar[Kind] = Kind.task

    def run(self, *more: str) -> RunConfig:
        """Compose the configuration of a short run of the task."""
        return copy.deepcopy(compose((*BRIEF, *self.overrides, *more)))

    def config(self, run: RunConfig) -> Config:
        """Return the options of the plugin, which has none besides those of its runs."""
        return self.description.config(name=self.name)

    @property
    def run_config(self) -> type[RunConfig]:
        """The configuration class of the task's runs."""
        return run_config_class(Task(self.name))

    def session(self, folder: Path, *more: str) -> Session:
        """Build all parts of a short run."""
        from ocr_trainer.engine.session import build_session

        return build_session(replace(self.run(*more), output_dir=folder), folder)

    def train(self, folder: Path, *more: str) -> dict[str, Any]:
        """Train a short run, or resume it if the folder has checkpoints; return its report."""
        from ocr_trainer.engine.train import train
        from ocr_trainer.runs.timing import PhaseTimer

        folder.mkdir(exist_ok=True)
        return train(self.run(*more), folder, PhaseTimer())

    def test_its_options_are_typed_and_documented(self) -> None:
        """`describe` shows a docstring for each option that only runs of the task have."""
        shared = get_type_hints(RunConfig)
        own = {
            name: kind for name, kind in get_type_hints(self.run_config).items() if shared.get(name) != kind
        }
        missing = [name for name in undocumented(self.run_config) if name.partition(".")[0] in own]
        assert not missing, f"write a docstring below the options {', '.join(missing)}: describe shows it"

    def test_its_defaults_are_valid(self) -> None:
        """Default values pass validation."""
        run = self.run_config()
        for field in fields(run):
            section = getattr(run, field.name)
            if is_dataclass(section) and isinstance(section, Options):
                faults = list(validate_options(section, f"{field.name}."))
                assert not faults, f"a default must be valid: {'; '.join(faults)}"

    def test_its_options_compose(self) -> None:
        """A run has the configuration of the task, and refuses an option that does not exist."""
        assert type(self.run()) is self.run_config, f"overrides must choose a model of the task {self.name}"
        try:
            self.run("+no_such_option=1")
        except ConfigError:
            return
        raise AssertionError("no_such_option=1 must be refused, to catch mistyped options")

    def test_a_saved_configuration_gives_the_same_options(self) -> None:
        """A checkpoint stores the configuration as plain values and composes it again."""
        run = self.run()
        saved = plain(run)
        assert json.loads(json.dumps(saved)) == saved, "options must be plain values"
        assert compose([], saved) == run, "the options must be the same after saving and composing again"

    def test_its_configuration_imports_only_the_standard_library(self) -> None:
        """Checking a run must not import anything heavy."""
        description = self.description
        assert isinstance(description, TaskPlugin)
        module = description.run_config.partition(":")[0]
        foreign = foreign_imports(module)
        assert not foreign, f"{module} must be light, but it imports {', '.join(sorted(foreign))}"

    def test_it_trains_validates_and_tests(self, tmp_path: Path) -> None:
        """A run of two steps has finite scores, the monitored one among them, and a best checkpoint."""
        report, monitor = self.train(tmp_path / "run"), f"val/{self.run_config.MONITOR}"
        assert report["steps"] == 2, (
            f"the dataset of `overrides` must have two batches, not {report['steps']}"
        )
        assert monitor in report["scores"], f"validation must score {monitor}: {list(report['scores'])}"
        for name, value in report["scores"].items():
            assert math.isfinite(value), f"the score {name} must be finite, not {value}"
        assert report["best_checkpoint"] == "checkpoints/best.ckpt"
        assert report["data"] is not None

    def test_a_resumed_run_ends_as_an_uninterrupted_one(self, tmp_path: Path) -> None:
        """Batches depend on seed, epoch and index, so that weights and scores are equal, bit for bit."""
        from ocr_trainer.checkpoint.read import model_state, read
        from ocr_trainer.testing.models import equal_dicts

        whole = self.train(tmp_path / "whole")
        self.train(tmp_path / "parts", "trainer.max_steps=1")
        parts = self.train(tmp_path / "parts")
        weights = [
            model_state(read(tmp_path / name / "checkpoints" / "last.ckpt")) for name in ("whole", "parts")
        ]
        assert equal_dicts(*weights), "a resumed run must end with the same weights"
        assert parts["scores"] == whole["scores"], "a resumed run must end with the same scores"

    def test_batches_are_the_same_each_time(self, tmp_path: Path) -> None:
        """Loaders are reproducible, and each sample is scored once."""
        first, second = (self.session(tmp_path / name) for name in ("a", "b"))
        for name in ("train", "val"):
            batches: Sequence[Batch] = list(getattr(first.loaders, name))
            again: Sequence[Batch] = list(getattr(second.loaders, name))
            assert len(batches) == len(again), f"{name} must have the same number of batches each time"
            for one, other in zip(batches, again, strict=True):
                assert one.images.equal(other.images), f"the batches of {name} must be the same each time"
            if name == "val":
                scored = sum(len(batch) for batch in batches)
                skipped = sum(len(batch.skipped) for batch in batches)
                assert scored <= len(first.splits.val) <= scored + skipped, "each sample must be scored once"

    def test_its_loss_has_scalar_parts(self, tmp_path: Path) -> None:
        """The parts of a loss are finite scalars, and reach the model."""
        import torch

        session = self.session(tmp_path / "run")
        batch = next(iter(session.loaders.train))
        session.task.check_batch(batch)
        parts = session.task.loss_parts(batch)
        assert parts, "loss_parts must return at least one part"
        for name, value in parts.items():
            assert value.ndim == 0, f"the part {name!r} of the loss must be a scalar"
            assert torch.isfinite(value), f"the part {name!r} of the loss is {value.item()}"
        torch.stack(list(parts.values())).sum().backward()  # type: ignore[no-untyped-call]
        assert any(p.grad is not None for p in session.task.model.parameters()), (
            "the loss must reach the model"
        )
