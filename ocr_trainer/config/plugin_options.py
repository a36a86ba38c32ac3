"""The options of a single plugin, outside of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from ocr_trainer.config.hydra_source import plugin_schema
from ocr_trainer.config.messages import explain
from ocr_trainer.config.validate import refuse, validate_options
from ocr_trainer.errors import ConfigError, did_you_mean
from ocr_trainer.plugin import Config, Kind


def plugin_config(kind: Kind, name: str, options: Mapping[str, Any]) -> Config:
    """Return the options of a plugin, with values as a user gives them: strings are converted.

    Raises:
        ConfigError: An option does not exist, or a value is invalid; the message lists all errors.
        PluginError: The plugin cannot be used.
    """
    schema, errors = plugin_schema(kind, name), []
    known = [str(key) for key in schema if key != "name"]
    for key, value in options.items():
        if key not in known:
            offered = f"\n      options: {', '.join(known) or 'none'}"
            errors.append(f"{kind.value} '{name}' has no option '{key}'.{did_you_mean(key, known)}{offered}")
            continue
        try:
            schema[key] = value
        except OmegaConfBaseException as error:
            errors.append(f"{key}={value}: {str(error).splitlines()[0]}")
    if not errors:
        config: Any = OmegaConf.to_object(schema)
        errors = list(validate_options(config))
    if errors:
        raise ConfigError("\n".join(errors))
    result: Config = config
    return result


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
