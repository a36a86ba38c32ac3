"""What a configuration may contain: it is data that chooses plugins by name, and never names code."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ocr_trainer.config.plain_data import MAX_VALUES
from ocr_trainer.errors import ConfigError

CODE_KEYS = frozenset(("_target_", "_partial_", "_args_", "_recursive_", "_convert_", "_call_"))
"""Keys that make Hydra instantiate code."""
HYDRA_OPTIONS = (
    *("hydra.output_subdir", "hydra.verbose", "hydra.job.name", "hydra.job.chdir"),
    *("hydra/launcher", "hydra/sweeper"),
)
"""Hydra options that a command line may set, besides those of its launcher and sweeper."""
HYDRA_FOLDERS = ("hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir")
"""Options for the folders of Hydra's own runs, which ocr-train does not have."""
HYDRA_SECTIONS = ("hydra.launcher.", "hydra.sweeper.")


def code_keys(value: Any) -> Iterator[str]:
    """Yield the dotted keys of a configuration that make Hydra instantiate code.

    Raises:
        ConfigError: It has too many values.
    """
    rest, seen = [("", value)], 0
    while rest:
        path, value = rest.pop()
        seen += 1
        if seen > MAX_VALUES:
            raise ConfigError(f"a configuration has at most {MAX_VALUES} values")
        if isinstance(value, Mapping):
            yield from (f"{path}{key}" for key in value if key in CODE_KEYS)
            rest.extend((f"{path}{key}.", item) for key, item in value.items())
        elif isinstance(value, list | tuple):
            rest.extend((f"{path}{index}.", item) for index, item in enumerate(value))


def code_key_message(key: str, origin: str = "") -> str:
    """Return the message for a key that names code."""
    return (
        f"{key}{origin} names code to run, which is not allowed in a configuration\n"
        "    choose a plugin by its name instead: ocr-train list-plugins"
    )


def check_overrides(overrides: Iterable[str]) -> Iterator[str]:
    """Yield the errors of overrides that set code or Hydra options that can run code."""
    for override in overrides:
        option, _, package = override.lstrip("+~").partition("=")[0].partition("@")
        if any(part in CODE_KEYS for part in re.split("[./@:]", f"{option}@{package}")):
            yield code_key_message(option, f" (from {override!r})")
        elif option in HYDRA_FOLDERS:
            yield (
                f"{override!r} sets a folder of Hydra, which ocr-train does not use\n"
                "    runs, those of a sweep, too, go to OUTPUT_DIR/EXP_NAME/TIME: "
                "set output_dir=DIR and exp_name=NAME"
            )
        elif any(
            _is_hydra_option(place) and not _is_harmless(place) for place in (option, *package.split(":"))
        ):
            yield (
                f"{override!r} sets an option of Hydra that can run code or read other files\n"
                f"    options that you can set: {', '.join(HYDRA_OPTIONS)}"
            )


def check_config_file(content: Any, package: str | None) -> Iterator[str]:
    """Yield the errors of an untrusted configuration file.

    Args:
        content: Parsed content of the file.
        package: Package in its header, or `None`.
    """
    yield from (code_key_message(key) for key in code_keys(content))
    if not isinstance(content, Mapping):
        return
    if any(str(key).partition(".")[0] == "hydra" for key in content) or _is_hydra_option(package or ""):
        yield (
            "it sets options of Hydra itself (hydra: …), which is not allowed in a file\n"
            "    set them on the command line instead, such as hydra.job.name=NAME"
        )
    if "defaults" in content and not _is_defaults_list(content["defaults"]):
        yield "its defaults must be a list whose entries are names and GROUP: NAME"
        return
    for choice in _choices(content.get("defaults")):
        if "hydra" in re.split(r"[\s/@:.]+", choice) or ".." in choice or "${" in choice:
            yield (
                f"its defaults choose '{choice}'\n"
                "    they may name files beside it and installed plugins, and nothing of Hydra itself"
            )


def _is_defaults_list(defaults: Any) -> bool:
    """Return whether Hydra can read a defaults list. Of others it says only which type they have."""
    if not isinstance(defaults, list):
        return False
    for entry in defaults:
        values = entry.values() if isinstance(entry, Mapping) and len(entry) == 1 else [entry]
        for value in values:
            names = value if isinstance(value, list) and isinstance(entry, Mapping) else [value]
            optional = value is None and isinstance(entry, Mapping)
            if not optional and not all(isinstance(name, str) for name in names):
                return False
    return True


def _choices(defaults: Any) -> Iterator[str]:
    for entry in defaults if isinstance(defaults, list) else ():
        for group, names in entry.items() if isinstance(entry, Mapping) else [(entry, None)]:
            yield str(group)
            yield from map(str, names if isinstance(names, list) else [names])


def check_hydra_options(hydra: Mapping[str, Any]) -> Iterator[str]:
    """Yield the composed options of Hydra that make it run code, wherever they come from."""
    own = ("launcher._target_", "sweeper._target_")  # Hydra accepts only its installed plugins here
    yield from (code_key_message(f"hydra.{key}") for key in code_keys(hydra) if key not in own)
    job = hydra["job"]
    empty = {
        "callbacks": hydra["callbacks"],
        "searchpath": hydra["searchpath"],
        "job.env_set": job["env_set"],
        "job.env_copy": job["env_copy"],
        "job_logging": hydra["job_logging"]["root"],
        "hydra_logging": hydra["hydra_logging"]["root"],
        "output_subdir": hydra["output_subdir"],  # Hydra's files there may contain credentials
    }
    yield from (f"hydra.{key} must not be changed" for key, value in empty.items() if value)


def _is_hydra_option(place: str) -> bool:
    parts = re.split("[./]", place.strip().removeprefix("_global_."))
    return parts[0] == "hydra"


def _is_harmless(place: str) -> bool:
    return place in HYDRA_OPTIONS or place.startswith(HYDRA_SECTIONS)
