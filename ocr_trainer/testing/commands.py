"""Contract suite for commands."""

from __future__ import annotations

import subprocess
import sys
from typing import ClassVar

from ocr_trainer.config.schema import RunConfig
from ocr_trainer.plugin import Config, Kind
from ocr_trainer.plugin.metadata import BUILT_IN_COMMANDS
from ocr_trainer.testing.plugins import PluginSuite


class CommandSuite(PluginSuite):
    """The contract of a command: `ocr-train NAME` calls it, and `ocr-train NAME --help` explains it."""

    kind: ClassVar[Kind] = Kind.command

    def config(self, run: RunConfig | None = None) -> Config:
        """Return the options, of which a command has none."""
        return self.description.config(name=self.name)

    def test_its_options_compose(self) -> None:
        """A command reads its own words, so its `config` has no options."""
        assert self.config() == Config(name=self.name), "a command has no section in the configuration"

    def test_a_saved_configuration_gives_the_same_options(self) -> None:
        """A command has nothing to save."""

    def test_it_has_a_name_of_its_own(self) -> None:
        """The commands of ocr-train win over plugins of the same name."""
        assert self.name not in BUILT_IN_COMMANDS, f"ocr-train has a command '{self.name}' already"

    def test_its_help_exits_with_0(self) -> None:
        """`ocr-train NAME --help` prints what the command does."""
        words = [sys.executable, "-m", "ocr_trainer", self.name, "--help"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"--help must exit with status 0:\n{done.stderr}"
        assert self.name in done.stdout, "--help must print how the command is used"
