"""From command-line overrides to a to_run_config configuration, with Hydra and OmegaConf."""

from __future__ import annotations

import io
import os
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NoReturn

import yaml
from hydra import compose as hydra_compose
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ocr_trainer.config.convert import to_run_config
from ocr_trainer.config.hydra_guard import guarded, restricted_resolvers
from ocr_trainer.config.hydra_source import PluginSource, plugin_schema
from ocr_trainer.config.messages import Fault, explain
from ocr_trainer.config.schema import RunConfig, plain
from ocr_trainer.config.security import code_key_message, code_keys, redact
from ocr_trainer.config.validate import refuse
from ocr_trainer.errors import ConfigError, OcrTrainerError, PluginError, did_you_mean
from ocr_trainer.plugin import Kind, discovery

__all__ = ["compose", "plugin_schema", "run_hydra", "to_run_config", "to_yaml"]

OBJECTIONS = (
    *(HydraException, OmegaConfBaseException, yaml.YAMLError, ValueError),
    *(
        RecursionError,
        AttributeError,
        TypeError,
        AssertionError,
    ),  # slips of theirs, at values nobody expected
)
"""What Hydra and OmegaConf raise at what they cannot take."""


def compose(
    overrides: Sequence[str], saved: Mapping[str, Any] | None = None, without_data: bool = False
) -> RunConfig:
    """Compose and check a run.

    Args:
        overrides: In Hydra's grammar, as on the command line.
        saved: The configuration of an earlier run, below the overrides.
        without_data: Leave out the dataset, so that its plugin need not be installed or allowed; `dataset`
            of the result is an empty `Config`.

    Raises:
        ConfigError: Everything that is wrong with it.
        PluginError: A plugin it names cannot serve.
    """
    faults: list[Fault] = []
    if without_data:
        saved = {key: value for key, value in (saved or {}).items() if key != "dataset"}
        overrides = ["~dataset", *overrides]  # Hydra's word to leave out a default
    remaining = [*(_as_experiment(saved, overrides) if saved is not None else ()), *overrides]
    with guarded():
        # Hydra stops at the first fault; without the override to blame it goes on to the next.
        while True:
            try:
                config = hydra_compose("train", overrides=remaining)
                break
            except (*OBJECTIONS, PluginError) as error:
                fault = explain(error, remaining)
                faults.append(fault)
                if fault.fatal or fault.override not in remaining:
                    _object(faults)
                remaining.remove(fault.override)
        return to_run_config(config, [fault.message for fault in faults], without_data)


def _object(faults: Sequence[Fault]) -> NoReturn:
    """Raise what is wrong: as it is if it is a plugin's one fault, else all of it in one message."""
    if len(faults) == 1 and faults[0].error is not None:
        raise faults[0].error
    refuse([fault.message for fault in faults])


def run_hydra(
    task: Callable[[RunConfig], None], fail: Callable[[OcrTrainerError], None], arguments: Sequence[str]
) -> None:
    """Do what the flags ask of Hydra: sweeps, --cfg, --info, --config-dir, completion.

    Args:
        task: Called with each run that the arguments describe.
        fail: Called with what is wrong with a run, so that a sweep goes on with the next.
        arguments: The command line without the program and our command.

    Raises:
        ConfigError: Everything that is wrong with it.
        PluginError: A plugin it names cannot serve.
    """
    parser = _parser()
    flags = _flags(parser, arguments)
    here, crashes = os.getpid(), list[Exception]()

    def attempt(config: DictConfig) -> None:
        _clean_up_after_sweeper()
        try:
            with restricted_resolvers():  # a launcher may have started another process
                run = to_run_config(config)
            task(run)
        except OcrTrainerError as error:
            fail(error)
        except Exception as error:
            # Hydra would print the overrides, credentials included, before it raised this.
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
                print(redact(shown.getvalue()), end="")
            elif flags.shell_completion:
                hydra.shell_completion("train", flags.overrides)
            elif flags.info:
                hydra.show_info(flags.info, "train", flags.overrides)
            elif flags.multirun:
                hydra.multirun("train", attempt, flags.overrides)
            else:
                hydra.run("train", attempt, flags.overrides)
    except OBJECTIONS as error:
        _object([explain(error, flags.overrides)])
    if crashes:
        raise crashes[0]


def _parser() -> ArgumentParser:
    """Return a parser of the flags of Hydra that there are; the others read other files, or a pickle."""
    parser = ArgumentParser("ocr-train", add_help=False, allow_abbrev=False)
    parser.add_argument("overrides", nargs="*", help="KEY=VALUE")
    parser.add_argument("--help", "-h", action="store_true", help="Show what can be chosen")
    parser.add_argument("--hydra-help", action="store_true", help="Show this")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--multirun", "-m", action="store_true", help="Run a sweep, as over lr=1e-3,1e-4")
    only.add_argument("--run", "-r", action="store_true", help="Run once")
    only.add_argument("--cfg", "-c", choices=["job", "hydra", "all"], help="Show the configuration instead")
    only.add_argument(
        "--shell-completion", "-sc", action="store_true", help="install=SHELL or uninstall=SHELL"
    )
    infos = ["all", "config", "defaults", "defaults-tree", "plugins", "searchpath"]
    only.add_argument("--info", "-i", const="all", nargs="?", choices=infos, help="Show how it is composed")
    parser.add_argument("--package", "-p", help="The section that --cfg shows")
    parser.add_argument("--config-dir", "-cd", type=Path, help="A folder with further configurations")
    parser.set_defaults(resolve=False)
    return parser


def _flags(parser: ArgumentParser, arguments: Sequence[str]) -> Namespace:
    flags, others = parser.parse_known_intermixed_args(arguments)
    known = [word for action in parser._actions for word in action.option_strings]
    if others:
        flag = others[0].partition("=")[0]
        raise ConfigError(f"there is no flag {flag}.{did_you_mean(flag, known)}\n  flags: {', '.join(known)}")
    if flags.config_dir is not None and not flags.config_dir.is_dir():
        raise ConfigError(f"--config-dir: there is no folder '{flags.config_dir}'")
    return flags


def _clean_up_after_sweeper() -> None:
    """Take credentials out of the overrides that Hydra's sweeper writes down before its first run."""
    file = Path(HydraConfig.get().sweep.dir, "multirun.yaml")
    if file.is_file():
        text = file.read_text(encoding="utf-8")
        if text != (clean := redact(text)):
            file.write_text(clean, encoding="utf-8")


def _as_experiment(saved: Mapping[str, Any], overrides: Sequence[str]) -> list[str]:
    """Offer a saved configuration as an experiment, so that overrides apply to it as to any other."""
    if faults := [code_key_message(key, " (in the saved configuration)") for key in code_keys(saved)]:
        refuse(faults)
    chosen = {override.partition("=")[0] for override in overrides}
    values = {key: value for key, value in saved.items() if key not in chosen}
    try:
        names: dict[str, list[Any]] = {
            kind: [values[kind]["name"]] for kind in ("model", "dataset") if kind in values
        }
        names |= {"logger": [section["name"] for section in values.get("logger", {}).values()]}
        if foreign := {"defaults", "hydra"} & set(values):
            raise ValueError(f"{foreign.pop()} is no part of it")
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ConfigError(f"the saved configuration is not one of ocr-train: {error}") from error
    for kind, plugins in names.items():
        for name in plugins:
            discovery.find(Kind(kind), str(name))
    choices: list[dict[str, Any]] = [
        {f"override /{kind}": names[kind][0]} for kind in names if kind != "logger"
    ]
    if "logger" in values:
        choices.append({"override /logger": names["logger"]})
    PluginSource.saved = OmegaConf.create({"defaults": choices, **values})
    return ["experiment=_saved"]


def to_yaml(run: RunConfig) -> str:
    """Return the configuration as YAML."""
    # The dumper in C takes a tenth of the time, which counts in `check`.
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(plain(run), Dumper=dumper, sort_keys=False, allow_unicode=True)
    return text
