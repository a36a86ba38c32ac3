"""Resume an earlier run: find it, and check that the configuration still matches. Imports no torch."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_trainer.config.security import redact
from ocr_trainer.errors import ConfigError
from ocr_trainer.runs.run_dir import CONFIG, hold, is_rank_zero, runs
from ocr_trainer_runtime.text.visible import echo

if TYPE_CHECKING:
    from ocr_trainer.config.schema import RunConfig

REPORT, BEFORE, HISTORY = "report.json", "report.before.json", "resumed.jsonl"
"""The report of a finished run, its earlier report once it is resumed, and the log of resumptions."""
CHECKPOINT_KEYS = ("optimizer.lr", "optimizer.weight_decay", "optimizer.momentum", "init_from")
"""Options that the checkpoint restores, so that new values have no effect."""
IGNORED_KEYS = ("resume",)
"""Options that do not identify a run."""


def resume_requested(run: RunConfig) -> bool:
    """Return whether to resume an earlier run: by option, or because SLURM or torchrun restarted the job."""
    again = ("SLURM_RESTART_COUNT", "TORCHELASTIC_RESTART_COUNT")
    return run.resume.value == "auto" or any(os.environ.get(name, "0") not in ("", "0") for name in again)


def find_earlier_run(run: RunConfig) -> Path | None:
    """Return the newest run directory with this name and configuration, or `None`."""
    from ocr_trainer.config.schema import plain

    wanted = _identity(plain(run))
    for folder in runs(run.output_dir, run.exp_name):
        if _identity(saved_config(folder)) == wanted:
            return folder
    return None


def saved_config(folder: Path) -> dict[str, Any]:
    """Load a run's config.yaml, with current option names.

    Raises:
        ConfigError: The file is missing or cannot be read.
    """
    from ocr_trainer.config.plain_data import read_yaml
    from ocr_trainer.config.renames import upgrade_saved

    path = folder / CONFIG
    try:
        config = read_yaml(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ConfigError(f"{folder} is not a run directory: {_what_it_is(folder)}") from error
    return upgrade_saved(config, path)


def _what_it_is(folder: Path) -> str:
    """Return why a path is not a run directory, and what to give instead."""
    if folder.is_file():
        run = folder.parent.parent
        found = f"\n  resume the run that it belongs to: {run}" if (run / CONFIG).is_file() else ""
        return f"it is a file{found}"
    return f"it has no {CONFIG}" if folder.is_dir() else "there is no such folder"


def is_finished(folder: Path) -> bool:
    """Return whether a run is finished; if so, print how to see its results or train longer."""
    if not (folder / REPORT).is_file():
        return False
    if is_rank_zero():
        echo(
            f"the run in {folder} is finished: there is nothing to resume\n"
            f"  its results: {folder / REPORT}\n"
            f"  to train longer: ocr-train resume {folder} trainer.max_epochs=…"
        )
    return True


def begin_resume(folder: Path, run: RunConfig, overrides: Sequence[str] = ()) -> None:
    """Lock a run directory and record the resumption and its changed options.

    Raises:
        ConfigError: The run is still active, or a changed option would make it a different run.
    """
    from ocr_trainer.config.schema import plain

    config = plain(run)
    changes = list(differences(saved_config(folder), config))
    # The same data may have moved, so a changed `root` is allowed.
    refused = [
        change
        for change in changes
        if within(change, run.IDENTITY)
        and not within(change, run.CHANGEABLE)
        and not change.partition(":")[0].endswith(".root")
    ]
    if refused:
        listed = "".join(f"\n  - {change}" for change in refused)
        raise ConfigError(
            f"the run in {folder} cannot be resumed with these changes:{listed}\n"
            "  start a new run from its weights: init_from=…/checkpoints/last.ckpt"
        )
    if not is_rank_zero():
        return
    hold(folder)
    for change in changes:
        effect = (
            "no effect: the checkpoint's value is used" if within(change, CHECKPOINT_KEYS) else "from here on"
        )
        echo(f"ocr-train: {redact(change)} ({effect})", file=sys.stderr)
    if changes:
        _replace(folder / CONFIG, str(run))
    if (folder / REPORT).is_file():
        (folder / REPORT).replace(folder / BEFORE)
    given, changed = (list(map(redact, texts)) for texts in (overrides, changes))
    entry = {"time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "overrides": given, "changes": changed}
    with (folder / HISTORY).open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry, ensure_ascii=False) + "\n")


def resume_history(folder: Path) -> list[dict[str, Any]]:
    """Return the time, overrides and changes of each resumption of a run."""
    path = folder / HISTORY
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def differences(before: Mapping[str, Any], now: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Yield the options that changed; skip options that only one side has."""
    for key in now:
        name = f"{path}{key}"
        if name in IGNORED_KEYS or key not in before:
            continue
        if isinstance(before[key], dict) and isinstance(now[key], dict):
            yield from differences(before[key], now[key], f"{name}.")
        elif before[key] != now[key]:
            yield f"{name}: {before[key]} before, {now[key]} now"


def within(change: str, keys: Sequence[str]) -> bool:
    """Return whether a difference, as `differences` yields them, is one of these options or below one."""
    name = change.partition(":")[0]
    return any(name == key or name.startswith(f"{key}.") for key in keys)


def _identity(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in IGNORED_KEYS}


def _replace(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
