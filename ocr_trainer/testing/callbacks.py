"""Contract suite for callbacks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ocr_trainer.plugin import Kind
from ocr_trainer.testing.plugins import PluginSuite

if TYPE_CHECKING:
    import pytest


class CallbackSuite(PluginSuite):
    """The contract of a callback: a Lightning `Callback` that a run can save and resume with.

    The suite trains four steps of `small`, in two runs.
    """

    kind: ClassVar[Kind] = Kind.callback
    small: Sequence[str] = (
        *("model=dbnet", "model.neck_channels=8", "model.size=64", "augment.crop=64", "data.batch_size=2"),
        *("dataset=synthetic", "dataset.train_pages=4", "dataset.val_pages=1", "dataset.test_pages=1"),
        *("dataset.height=64", "dataset.width=64", "dataset.max_words=5"),
    )
    """Overrides that choose a model and a small dataset for the runs."""

    def test_it_is_a_lightning_callback(self, tmp_path: Path) -> None:
        """The trainer takes any callback, except for one that writes checkpoints."""
        from lightning.pytorch.callbacks import Callback, Checkpoint

        callback = self.build(self.context(tmp_path))
        assert isinstance(callback, Callback), (
            f"the factory must return a lightning.pytorch.Callback, not {type(callback).__name__}"
        )
        assert not isinstance(callback, Checkpoint), "the trainer writes the checkpoints itself"

    def test_it_trains_saves_and_resumes(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its state is in the checkpoint, and it gets it back; it writes inside the run directory only."""
        from ocr_trainer.checkpoint.read import read

        folder, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
        folder.mkdir()
        elsewhere.mkdir()
        monkeypatch.chdir(elsewhere)
        for epochs in (1, 2):
            callback = self._train(folder, epochs)
            saved = read(folder / "checkpoints" / "last.ckpt")
            assert saved["global_step"] == 2 * epochs, "the callback must not keep the run from its steps"
            if state := callback.state_dict():
                assert callback.state_key in saved["callbacks"], f"its state {state} must be saved"
        strays = sorted(path.name for path in elsewhere.iterdir())
        assert not strays, (
            f"a callback must write inside context.folder, not the working directory: {', '.join(strays)}"
        )

    def _train(self, folder: Path, epochs: int) -> Any:
        """Train up to a number of epochs of two steps, and return the callback."""
        from ocr_trainer.engine.session import build_session
        from ocr_trainer.engine.startup import quiet_logs
        from ocr_trainer.engine.train import fit

        quiet_logs()
        brief = ("data.num_workers=0", "trainer.accelerator=cpu", f"trainer.max_epochs={epochs}")
        run = self.run(
            *self.small, *brief, "trainer.enable_progress_bar=false", "trainer.log_every_n_steps=1"
        )
        session = build_session(run, folder)
        with session.error_reports():
            fit(session)
        (guard,) = session.callbacks
        return guard.callback
