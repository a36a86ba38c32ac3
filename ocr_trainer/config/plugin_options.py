"""Options of plugins that are not part of a run, such as writers."""

from __future__ import annotations

from collections.abc import Sequence

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from ocr_trainer.config.hydra_source import plugin_schema
from ocr_trainer.config.messages import explain
from ocr_trainer.config.validate import refuse, validate_options
from ocr_trainer.errors import ConfigError
from ocr_trainer.plugin import Config, Kind


def plugin_options(kind: Kind, name: str, words: Sequence[str] = ()) -> Config:
    """Return the options of a plugin, checked.

    Args:
        kind: The kind of plugin.
        name: Its name, or `distribution:name`.
        words: Options that differ from their defaults, such as `delimiter=;`.

    Raises:
        PluginError: The plugin cannot be used.
        ConfigError: An option does not exist, or its value is impossible.
    """
    prefix = f"{kind.value}.{name.rpartition(':')[2]}."
    schema = plugin_schema(kind, name)
    if reading := next((word for word in words if "${" in word), None):
        raise ConfigError(f"{prefix}{reading}: interpolations are for the configurations of runs")
    try:
        config = OmegaConf.to_object(OmegaConf.merge(schema, OmegaConf.from_dotlist(list(words))))
    except YAMLError as error:
        raise ConfigError(
            f"{prefix}{' '.join(words)}: a value is malformed: quote it twice, as \"';'\""
        ) from error
    except (OmegaConfBaseException, ValueError) as error:
        raise ConfigError(explain(error, [], prefix).message) from error
    assert isinstance(config, Config)
    if found := list(validate_options(config, prefix)):
        refuse(found)
    return config
