"""Compose the typed configuration of a run from command-line overrides, with Hydra and OmegaConf."""

from __future__ import annotations

import io
import os
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn

import yaml
from hydra import compose as hydra_compose
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ocr_trainer.config.content import code_key_message, code_keys
from ocr_trainer.config.convert import to_run_config
from ocr_trainer.config.hydra_guard import guarded, restricted_resolvers
from ocr_trainer.config.hydra_source import NO_DATASET, PRESETS, PluginSource, plugin_schema
from ocr_trainer.config.messages import SAVED, ConfigProblem, explain, without_hyphens
from ocr_trainer.config.plain_data import kind_of
from ocr_trainer.config.schema import RunConfig
from ocr_trainer.config.security import check_untrusted_reads, redact
from ocr_trainer.config.tasks import run_config_classes
from ocr_trainer.config.validate import refuse
from ocr_trainer.errors import ConfigError, OcrTrainerError, PluginError, did_you_mean
from ocr_trainer.plugin import GROUPS, PLUGIN_TYPES, discovery
from ocr_trainer_runtime.text.visible import echo

__all__ = ["compose", "plugin_schema", "run_hydra", "to_run_config"]

COMPOSE_ERRORS = (
    *(HydraException, OmegaConfBaseException, yaml.YAMLError, ValueError),
    # Bugs in Hydra and OmegaConf that unexpected values trigger.
    *(RecursionError, AttributeError, TypeError, AssertionError),
)
"""Exceptions that Hydra and OmegaConf raise for invalid input."""


def compose(
    overrides: Sequence[str], saved: Mapping[str, Any] | None = None, without_data: bool = False
) -> RunConfig:
    """Compose and validate the configuration of a run.

    Args:
        overrides: Overrides in Hydra's grammar, as on the command line.
        saved: Configuration of an earlier run, which the overrides change.
        without_data: Leave out the dataset, so that its plugin need not be installed or allowed; `dataset`
            of the result is an empty `Config`.

    Raises:
        ConfigError: The configuration is invalid; the message lists all problems.
        PluginError: A plugin that it names cannot be used.
    """
    problems: list[ConfigProblem] = []
    if without_data:
        saved = {key: value for key, value in saved.items() if key != "dataset"} if saved else None
        # Not `~dataset`: Hydra loads what it removes, and the plugin may be missing.
        overrides = [f"dataset={NO_DATASET}", *overrides]
    remaining = [*(_as_experiment(saved, overrides) if saved is not None else ()), *overrides]
    with guarded():
        # Hydra stops at the first error. Without the override at fault, it reports the next one.
        while True:
            try:
                config = hydra_compose("train", overrides=remaining)
                break
            except (*COMPOSE_ERRORS, PluginError) as error:
                problem = explain(error, remaining)
                problems.append(problem)
                if problem.fatal or problem.override not in remaining:
                    _refuse(problems)
                remaining.remove(problem.override)
        return to_run_config(config, [problem.message for problem in problems], without_data)


def _refuse(problems: Sequence[ConfigProblem]) -> NoReturn:
    """Raise the problems: a single plugin error as it is, else one ConfigError that lists them all."""
    if len(problems) == 1 and problems[0].error is not None:
        raise problems[0].error
    refuse([problem.message for problem in problems])


def run_hydra(
    task: Callable[[RunConfig], None], report: Callable[[OcrTrainerError], None], arguments: Sequence[str]
) -> None:
    """Run Hydra with its flags: sweeps, --cfg, --info, --config-dir, completion.

    Args:
        task: Called with each run that the arguments describe.
        report: Called with the error of a failed run, so that a sweep continues with the next one.
        arguments: Command line without the program and the command.

    Raises:
        ConfigError: The configuration is invalid; the message lists all problems.
        PluginError: A plugin that it names cannot be used.
    """
    parser = _parser()
    flags = _flags(parser, arguments)
    here, crashes = os.getpid(), list[Exception]()

    def attempt(config: DictConfig) -> None:
        _clean_up_after_sweeper()
        try:
            with restricted_resolvers():  # a launcher may run this in a new process
                run = to_run_config(config)
            task(run)
        except OcrTrainerError as error:
            report(error)
        except Exception as error:
            # If this left through Hydra, Hydra would print the overrides, including credentials.
            if os.getpid() != here:
                raise
            crashes.append(error)

    try:
        with guarded(flags.config_dir) as hydra:
            if flags.help:
                hydra.app_help("train", parser, flags)
            elif flags.hydra_help:
                hydra.hydra_help("train", parser, flags)
            elif flags.cfg:
                with redirect_stdout(io.StringIO()) as shown:
                    hydra.show_cfg("train", flags.overrides, flags.cfg, flags.package)
                echo(redact(shown.getvalue()), end="")
            elif flags.shell_completion:
                hydra.shell_completion("train", flags.overrides)
            elif flags.info:
                hydra.show_info(flags.info, "train", flags.overrides)
            elif flags.multirun:
                hydra.multirun("train", attempt, flags.overrides)
            else:
                hydra.run("train", attempt, flags.overrides)
    except COMPOSE_ERRORS as error:
        _refuse([explain(error, flags.overrides)])
    except OSError as error:  # the errors of runs do not come here
        raise ConfigError(
            f"the folder of the sweep cannot be created: {error}\n  choose another folder with output_dir=…"
        ) from error
    if crashes:
        raise crashes[0]


def _parser() -> ArgumentParser:
    """Return a parser of the supported Hydra flags; the other flags read arbitrary files or a pickle."""
    parser = ArgumentParser("ocr-train", add_help=False, allow_abbrev=False)
    parser.add_argument("overrides", nargs="*", help="KEY=VALUE")
    parser.add_argument("--help", "-h", action="store_true", help="Show the config groups and options")
    parser.add_argument("--hydra-help", action="store_true", help="Show Hydra's help")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--multirun", "-m", action="store_true", help="Sweep, as over optimizer.lr=1e-3,1e-4")
    only.add_argument("--run", "-r", action="store_true", help="Run once")
    only.add_argument("--cfg", "-c", choices=["job", "hydra", "all"], help="Show the configuration and exit")
    only.add_argument(
        "--shell-completion", "-sc", action="store_true", help="install=SHELL or uninstall=SHELL"
    )
    infos = ["all", "config", "defaults", "defaults-tree", "plugins", "searchpath"]
    only.add_argument("--info", "-i", const="all", nargs="?", choices=infos, help="Show how it is composed")
    parser.add_argument("--package", "-p", help="Section for --cfg to show")
    parser.add_argument("--config-dir", "-cd", type=Path, help="Folder with additional configuration files")
    parser.set_defaults(resolve=False)
    return parser


def _flags(parser: ArgumentParser, arguments: Sequence[str]) -> Namespace:
    flags, others = parser.parse_known_intermixed_args(arguments)
    known = [word for action in parser._actions for word in action.option_strings]
    if others:
        raise ConfigError(_unknown_flag(others[0], known))
    if flags.config_dir is not None and not flags.config_dir.is_dir():
        raise ConfigError(f"--config-dir: there is no folder '{flags.config_dir}'")
    return flags


def _unknown_flag(word: str, known: Sequence[str]) -> str:
    """Return the message for a word with hyphens that is no flag: it may be meant as an override."""
    flag, _, value = word.partition("=")
    key = flag.lstrip("-").replace("-", "_")
    sections = {field.name for _, cls in run_config_classes() for field in fields(cls)}
    if "." in key or key in sections:
        return f"there is no flag {flag}: options have no hyphens\n  write {without_hyphens(word)}"
    taking_values = ("--config-dir", "--package", "--cfg", "--info")
    meant = did_you_mean(flag, taking_values if value else [name for name in known if len(name) > 3])
    return (
        f"there is no flag {flag}.{meant}\n  flags: {', '.join(known)}\n"
        "  options of a run have no hyphens: KEY=VALUE, such as trainer.max_epochs=5"
    )


def _clean_up_after_sweeper() -> None:
    """Remove credentials from the overrides that Hydra's sweeper saves before its first run."""
    try:
        file = Path(HydraConfig.get().sweep.dir, "multirun.yaml")
    except OmegaConfBaseException:  # the run itself refuses an interpolation that cannot be resolved
        return
    if file.is_file():
        text = file.read_text(encoding="utf-8")
        if text != (clean := redact(text)):
            file.write_text(clean, encoding="utf-8")


def _as_experiment(saved: Mapping[str, Any], overrides: Sequence[str]) -> list[str]:
    """Register a saved configuration as an experiment, so that overrides apply as usual."""
    if errors := [code_key_message(key, " (in the saved configuration)") for key in code_keys(saved)]:
        refuse(errors)
    chosen = {override.partition("=")[0].lstrip("+") for override in overrides}
    values = {key: value for key, value in saved.items() if key not in chosen}
    if errors := [e for e in check_untrusted_reads(values) if e.partition(":")[0] not in chosen]:
        refuse(errors)
    try:
        names = dict(_saved_plugins(values))
        if unexpected := {"defaults", "hydra"} & set(values):
            raise ValueError(f"{unexpected.pop()} is not part of a run")
    except ValueError as error:
        raise ConfigError(f"the saved configuration was not written by ocr-train: {error}") from error
    for group, chosen_names in names.items():
        for name in [chosen_names] if isinstance(chosen_names, str) else chosen_names:
            discovery.find(GROUPS[group], str(name))
    choices = [{f"override /{group}": chosen_names} for group, chosen_names in names.items()]
    try:
        PluginSource.saved = OmegaConf.create({"defaults": choices, **values})
    except COMPOSE_ERRORS as error:
        raise ConfigError(f"the saved configuration cannot be used: {explain(error, []).message}") from error
    return [SAVED]


def _saved_plugins(saved: Mapping[str, Any]) -> Iterator[tuple[str, str | list[str]]]:
    """Yield the plugins that a saved configuration chooses in each of its config groups."""
    for group, kind in GROUPS.items():
        if group not in saved:
            continue
        if group in PRESETS:
            # The values of a preset are saved, but not its name.
            if steps := _section(saved[group], group).get("steps"):
                yield group, _names(steps, f"{group}.steps")
        elif PLUGIN_TYPES[kind].many:
            yield group, _names(saved[group], group)
        else:
            yield group, _name(saved[group], group)


def _names(sections: Any, path: str) -> list[str]:
    return [_name(section, f"{path}.{key}") for key, section in _section(sections, path).items()]


def _name(section: Any, path: str) -> str:
    name = _section(section, path).get("name")
    if not isinstance(name, str):
        raise ValueError(f"{path} has no name of a plugin")
    return name


def _section(value: Any, path: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{path} is {kind_of(value)}, not a section")
    return value
