"""Going on with an earlier run: which one, and whether it is still the same run. Before torch."""

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
from ocr_trainer.runs.run_dir import CONFIG, hold, is_first, runs

if TYPE_CHECKING:
    from ocr_trainer.config.schema import RunConfig

REPORT, BEFORE, HISTORY = "report.json", "report.before.json", "resumed.jsonl"
"""What a finished run has; what one has whose last state is still to come, or was gone on with; and when."""
KEPT = ("optimizer.lr", "optimizer.weight_decay", "optimizer.momentum", "init_from")
"""What the checkpoint says of itself: other values have no effect."""
PASSING = ("resume",)
"""What is no part of a run."""


def resume_requested(run: RunConfig) -> bool:
    """Tell whether a run is to go on with an earlier one, be it that SLURM or torchrun started it again."""
    again = ("SLURM_RESTART_COUNT", "TORCHELASTIC_RESTART_COUNT")
    return run.resume.value == "auto" or any(os.environ.get(name, "0") not in ("", "0") for name in again)


def find_earlier_run(run: RunConfig) -> Path | None:
    """Return the folder of the newest run of this name and configuration."""
    from ocr_trainer.config.schema import plain

    asked = _of_run(plain(run))
    for folder in runs(run.output_dir, run.exp_name):
        if _of_run(saved_config(folder)) == asked:
            return folder
    return None


def saved_config(folder: Path) -> dict[str, Any]:
    """Return what a run's config.yaml says.

    Raises:
        ConfigError: It is not there or cannot be read.
    """
    import yaml

    path = folder / CONFIG
    try:
        # The reader in C takes a tenth of the time.
        config = yaml.load(path.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except FileNotFoundError as error:
        raise ConfigError(f"{folder} is not the folder of a run: it has no {CONFIG}") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    if not isinstance(config, dict):
        raise ConfigError(f"{path} does not say how the run was configured")
    from ocr_trainer.config.renames import upgrade

    return upgrade(config)


def is_finished(folder: Path) -> bool:
    """Tell whether a run has come to its end; if so, say it."""
    if not (folder / REPORT).is_file():
        return False
    if is_first():
        print(
            f"the run in {folder} is over: there is nothing to go on with\n"
            f"  its results: {folder / REPORT}\n"
            f"  to train on: ocr-train resume {folder} trainer.max_epochs=…"
        )
    return True


def begin_resume(folder: Path, run: RunConfig, overrides: Sequence[str] = ()) -> None:
    """Lock a run's folder, and note there that it goes on, and with which changes.

    Raises:
        ConfigError: It is still going; or a change makes it another run.
    """
    from ocr_trainer.config.schema import plain

    config = plain(run)
    changes = list(differences(saved_config(folder), config))
    # The same data may lie elsewhere now.
    refused = [c for c in changes if _within(c, run.IDENTITY) and not c.partition(":")[0].endswith(".root")]
    if refused:
        listed = "".join(f"\n  - {change}" for change in refused)
        raise ConfigError(
            f"the run in {folder} cannot go on so:{listed}\n"
            "  begin a new run with its weights: init_from=…/checkpoints/last.ckpt"
        )
    if not is_first():
        return
    hold(folder)
    for change in changes:
        effect = "no effect: the checkpoint's holds" if _within(change, KEPT) else "from here on"
        print(f"ocr-train: {redact(change)} ({effect})", file=sys.stderr)
    if changes:
        from ocr_trainer.config.compose import to_yaml

        _replace(folder / CONFIG, to_yaml(run))
    if (folder / REPORT).is_file():
        (folder / REPORT).replace(folder / BEFORE)
    said, changed = (list(map(redact, texts)) for texts in (overrides, changes))
    entry = {"time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "overrides": said, "changes": changed}
    with (folder / HISTORY).open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry, ensure_ascii=False) + "\n")


def resume_history(folder: Path) -> list[dict[str, Any]]:
    """Return when and how a run was gone on with."""
    path = folder / HISTORY
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def differences(before: Mapping[str, Any], now: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Yield what has changed; what only one side knows has its default on the other."""
    for key in now:
        name = f"{path}{key}"
        if name in PASSING or key not in before:
            continue
        if isinstance(before[key], dict) and isinstance(now[key], dict):
            yield from differences(before[key], now[key], f"{name}.")
        elif before[key] != now[key]:
            yield f"{name}: {before[key]} before, {now[key]} now"


def _within(change: str, keys: Sequence[str]) -> bool:
    name = change.partition(":")[0]
    return any(name == key or name.startswith(f"{key}.") for key in keys)


def _of_run(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in PASSING}


def _replace(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
