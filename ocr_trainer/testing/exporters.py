"""Contract suite for exporters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from ocr_trainer.plugin import ExporterPlugin, Kind, Prediction
from ocr_trainer.testing.command_options import CommandOptionsSuite

MODELS = {
    Prediction.regions: ("model=dbnet", "model.neck_channels=8", "model.size=64"),
    Prediction.text: ("model=crnn", "model.size=tiny", "charset.characters=' ABC12'"),
}
"""Small models to export, by what they predict."""
SAMPLES = 6


class ExporterSuite(CommandOptionsSuite):
    """The contract of an exporter: it writes small models of ours, and what it wrote agrees with them.

    `overrides` are options of the exporter, such as `int8=false`.
    """

    kind: ClassVar[Kind] = Kind.exporter
    models: ClassVar[dict[Prediction, Sequence[str]]] = dict(MODELS)
    """Overrides that choose the models to export; leave out those that take too long."""

    def test_it_is_an_exporter(self, tmp_path: Path) -> None:
        """The core calls its methods."""
        from ocr_trainer.exporting.exporter import Exporter

        exporter = self.build(self.context(tmp_path))
        assert isinstance(exporter, Exporter), (
            "the factory must return an ocr_trainer.exporting.exporter.Exporter, "
            f"not {type(exporter).__name__}"
        )

    def test_its_exports_agree_with_their_models(self, tmp_path: Path) -> None:
        """What it wrote gives what the model gives, at three sizes and in batches."""
        from ocr_trainer.exporting.gate import run_gate
        from ocr_trainer.testing.exported import samples, subject

        description = self.description
        assert isinstance(description, ExporterPlugin)
        for prediction in (known for known in description.predictions if known in self.models):
            made, metrics = subject(self.models[prediction])
            exporter, folder = self.build(self.context(tmp_path)), tmp_path / prediction.value
            reason = exporter.refusal(made)
            assert reason is None, f"it refuses {made.name}: {reason}"
            folder.mkdir()
            exporter.write(made, folder)
            assert (folder / "example.py").is_file(), "write an example.py that runs the model"
            verdict = run_gate(made, exporter.open(made, folder), samples(made, SAMPLES), metrics)
            assert not verdict.faults, verdict.faults
