"""Contract suite for the experiments and presets that a distribution ships."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ocr_trainer.config import shipped
from ocr_trainer.config.compose import compose
from ocr_trainer.plugin import Kind, discovery
from ocr_trainer.plugin.metadata import Installed, config_files, find_defect


class ConfigsSuite:
    """The contract of shipped configurations: each file can be read, and each experiment is a valid run."""

    name: str
    """Name of the entry point."""
    required: Mapping[str, Sequence[str]] = {}
    """Overrides that an experiment needs, by its name, such as `{"receipts": ["dataset.root=DIR"]}`."""

    @property
    def plugin(self) -> Installed:
        """The metadata of the entry point."""
        return discovery.find(Kind.configs, self.name)

    def test_it_ships_files(self) -> None:
        """The wheel must contain them: see `package-data` in pyproject.toml."""
        assert (defect := find_defect(self.plugin)) is None, defect
        assert config_files(self.plugin), f"there is no YAML file below {self.plugin.target}"

    def test_its_files_can_be_read(self) -> None:
        """They are YAML, name no code, and set no option of Hydra."""
        for group, paths in config_files(self.plugin).items():
            for path in paths:
                shipped.read(group, f"{self.plugin.distribution}:{path.stem}")

    def test_its_experiments_are_valid_runs(self) -> None:
        """Each composes, with the overrides that it needs in `required`."""
        for path in config_files(self.plugin).get("experiment", ()):
            experiment = f"experiment={self.plugin.distribution}:{path.stem}"
            compose([experiment, *self.required.get(path.stem, ())])
