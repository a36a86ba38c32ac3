"""What the suites of plugins share whose options are arguments of a command, not part of a run."""

from __future__ import annotations

from typing import Any

from ocr_trainer.config.plugin_options import plugin_config
from ocr_trainer.config.schema import RunConfig, plain
from ocr_trainer.errors import ConfigError
from ocr_trainer.plugin import Config, Context, discovery
from ocr_trainer.testing.plugins import PluginSuite


class CommandOptionsSuite(PluginSuite):
    """Checks for plugins whose options are arguments of a command, such as `delimiter=;`."""

    def config(self, run: RunConfig | None = None) -> Config:
        """Return the plugin's options, `overrides` among them."""
        return self._config(*self.overrides)

    def _config(self, *words: str) -> Config:
        return plugin_config(self.kind, self.name, dict(word.split("=", 1) for word in words))

    def build(self, context: Context) -> Any:
        """Call the plugin's factory and return the result."""
        return discovery.resolve(self.kind, self.name)(self.config(), context)

    def test_its_options_compose(self) -> None:
        """The command accepts the options, and refuses one that does not exist."""
        assert self.config().name == self.name, "the core sets `name`; do not change it"
        try:
            self._config(*self.overrides, "no_such_option=1")
        except ConfigError:
            return
        raise AssertionError("an option that does not exist must be refused, to catch mistyped options")

    def test_a_saved_configuration_gives_the_same_options(self) -> None:
        """The options survive their plain form."""
        saved = {key: value for key, value in plain(self.config()).items() if key != "name"}
        assert self.description.config(**saved, name=self.name) == self.config()
