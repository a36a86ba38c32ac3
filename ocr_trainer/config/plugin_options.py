"""The options of a single plugin, outside of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ocr_trainer.config.convert import apply_types
from ocr_trainer.config.hydra_source import plugin_schema
from ocr_trainer.config.validate import validate_options
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
    errors += apply_types(schema, "")
    if not errors:
        config: Any = OmegaConf.to_object(schema)
        errors = list(validate_options(config))
    if errors:
        raise ConfigError("\n".join(errors))
    result: Config = config
    return result
