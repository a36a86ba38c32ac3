"""How a wandb run is opened: never by asking at a prompt, never without an end, offline if need be."""

from __future__ import annotations

import logging
import os
import shlex
from pathlib import Path
from typing import Any

import wandb
from pydantic import ValidationError
from wandb.sdk.wandb_run import Run

from ocr_trainer.plugin import Context

from .plugin import Mode, WandbConfig

log = logging.getLogger("ocr_trainer")

OFFLINE = ("offline", "dryrun")  # one thing, two names
NO_ACCOUNT = "no account on this machine (`wandb login` or WANDB_API_KEY gives it one)"


def open_run(config: WandbConfig, context: Context, hyperparameters: dict[str, Any]) -> Run:
    """Open a run below `context.folder`, and say in one line where it goes.

    Takes up to `init_timeout` and about 15 s more if the server does not answer; then the run is
    offline. `wandb.init` alone would ask for an account at a terminal, and fail without one.

    Raises:
        wandb.Error, ValueError, OSError: not even an offline run can be opened.
    """
    mode = _prepare(config.mode)
    options = _init_options(config, context) | {"config": hyperparameters}
    why = ""
    if mode not in (*OFFLINE, "disabled"):
        try:
            if wandb.login(prompt=False, verify=False):
                run = wandb.init(mode=mode, **options)
                log.info("wandb: %s", run.url)
                return run
            why = NO_ACCOUNT
        except wandb.Error as error:
            why = f"not online ({reason(error)})"
        mode = "offline"
    run = wandb.init(mode=mode, **options)
    if mode in OFFLINE:
        level = logging.WARNING if why else logging.INFO
        log.log(
            level, "wandb: %s, send it later with: %s", f"{why}: offline" if why else "offline", sync(run)
        )
    return run


def _prepare(wanted: Mode) -> str:
    """Settle wandb's settings for this process, and return the mode in wandb's words."""
    if os.environ.get("WANDB_MODE") == "":
        del os.environ["WANDB_MODE"]  # empty means unset, but wandb trips over it
    settings = wandb.Settings(silent=True, relogin=False)  # relogin would ask, whatever `prompt` says
    if wanted is not Mode.auto:
        settings.mode = wanted.value
    return wandb.setup(settings).settings.mode


def _init_options(config: WandbConfig, context: Context) -> dict[str, Any]:
    folder = Path(context.folder)
    folder.mkdir(parents=True, exist_ok=True)  # or wandb goes to the temporary folder
    return {
        "project": config.project_name,
        "entity": config.entity,
        "name": context.exp_name,
        "group": config.group,
        "job_type": config.job_type,
        "tags": config.tags or None,
        "notes": config.notes,
        "id": config.run_id,
        "resume": "allow" if config.run_id else None,
        "reinit": "create_new",  # or the next run of a sweep would go on with this one
        "dir": str(folder),  # wandb adds the `wandb` below it
        "settings": wandb.Settings(
            silent=True,
            init_timeout=config.init_timeout,
            finish_timeout=config.finish_timeout,
            finish_timeout_raises=True,
        ),
    }


def sync(run: Run) -> str:
    """Return the command that sends what is on disk to the server."""
    return f"wandb sync {shlex.quote(run.settings.sync_dir)}"


def reason(error: Exception) -> str:
    """Return `error` in one line, without the values it was about: one may be a key."""
    if isinstance(error, ValidationError):
        details = error.errors(include_input=False, include_url=False, include_context=False)
        return "; ".join(f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in details)
    return f"{type(error).__name__}: {error}".partition("\n")[0].rstrip(": ")
