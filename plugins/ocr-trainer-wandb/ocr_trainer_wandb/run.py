"""Open a wandb run: never at a prompt, always within a time limit, offline if it has to be."""

from __future__ import annotations

import logging
import os
import re
import shlex
from pathlib import Path
from typing import Any

import wandb
from pydantic import ValidationError
from wandb.sdk.wandb_run import Run

from ocr_trainer.errors import ConfigError
from ocr_trainer.plugin import Context

from .plugin import Mode, WandbConfig

log = logging.getLogger("ocr_trainer")

STEP = "trainer/global_step"  # the x axis of `WandbLogger`, which defines it only for runs it opens
OFFLINE = ("offline", "dryrun")  # two names of one mode
NO_ACCOUNT = "no account on this machine (`wandb login` or WANDB_API_KEY gives it one)"
RUN_FOLDER = re.compile(r"(?:offline-)?run-\d{8}_\d{6}-(.+)")
# What wandb would record by itself: the command line, which may hold a key, the output of the process,
# the code, and the git remote, which may hold a password.
NOT_RECORDED: dict[str, Any] = {
    "x_disable_meta": True,
    "console": "off",
    "disable_code": True,
    "save_code": False,
    "disable_git": True,
}


def open_run(config: WandbConfig, context: Context) -> Run:
    """Open a run below `context.folder`, and log one line that says where it goes.

    `WandbLogger` calls `wandb.init` alone. That asks for an account at a terminal, fails without one, and
    fails if the server does not answer. Here the run then goes offline, after up to `init_timeout` and
    about a second more.

    Raises:
        wandb.Error, ValueError, OSError: Not even an offline run can be opened.
    """
    run = _open(config, context)
    run.define_metric(STEP)
    run.define_metric("*", step_metric=STEP, step_sync=True)
    return run


def _open(config: WandbConfig, context: Context) -> Run:
    mode = _prepare(config.mode)
    options = _init_options(config, context)
    why = ""
    if mode not in (*OFFLINE, "disabled"):
        try:
            if has_account():
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


def require_account() -> None:
    """Refuse a run that must be online but cannot be.

    Raises:
        ConfigError: There is no account on this machine.
    """
    _prepare(Mode.online)
    if not has_account():
        raise ConfigError(
            "logger.wandb.mode=online needs an account, and wandb finds none on this machine\n"
            "  give it one: `wandb login` once, or set WANDB_API_KEY\n"
            "  or keep the run here and send it later: logger.wandb.mode=offline\n"
            "  or do without wandb: logger=csv"
        )


def has_account() -> bool:
    """Tell whether there is a key, without a prompt and without a request to the server."""
    return bool(wandb.login(prompt=False, verify=False))


def earlier_id(folder: Path) -> str | None:
    """Return the id of the latest wandb run in a run directory, or None."""
    found = [match for path in folder.glob("wandb/*run-*") if (match := RUN_FOLDER.fullmatch(path.name))]
    # Names begin with the time, after the prefix of offline runs.
    return max(found, key=lambda match: match[0].removeprefix("offline-"))[1] if found else None


def _prepare(wanted: Mode) -> Any:
    """Set up wandb for this process, and return its mode in wandb's own words."""
    # wandb sends reports about itself, and waits 10 s at the end for a server that does not answer.
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    if os.environ.get("WANDB_MODE") == "":
        del os.environ["WANDB_MODE"]  # empty means unset, but wandb rejects it
    settings = wandb.Settings(silent=True, relogin=False)  # relogin prompts even with `prompt=False`
    if wanted is not Mode.auto:
        settings.mode = wanted.value
    return wandb.setup(settings).settings.mode


def _init_options(config: WandbConfig, context: Context) -> dict[str, Any]:
    folder = Path(context.folder)
    folder.mkdir(parents=True, exist_ok=True)  # otherwise wandb writes to the temporary folder
    run_id = config.run_id
    if run_id is None and context.resume_step is not None:
        run_id = earlier_id(folder)
    return {
        "project": config.project_name,
        "entity": config.entity,
        "name": context.exp_name,
        "group": config.group,
        "job_type": config.job_type,
        "tags": config.tags or None,
        "notes": config.notes,
        "id": run_id,
        "resume": "allow" if run_id else None,
        "reinit": "create_new",  # otherwise the next run of a sweep continues this one
        "dir": str(folder),  # wandb adds the `wandb` below it
        "settings": wandb.Settings(
            silent=True,
            init_timeout=config.init_timeout,
            finish_timeout=config.finish_timeout,
            finish_timeout_raises=True,
            # Seconds; wandb's own 15 are lost with a process that is killed.
            x_transaction_log_flush_interval=1.0,
            **NOT_RECORDED,
        ),
    }


def sync(run: Run) -> str:
    """Return the command that uploads what is on disk."""
    return f"wandb sync {shlex.quote(run.settings.sync_dir)}"


def reason(error: Exception) -> str:
    """Return `error` in one line, without the rejected values: one may be a key."""
    if isinstance(error, ValidationError):
        details = error.errors(include_input=False, include_url=False, include_context=False)
        return "; ".join(f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in details)
    return f"{type(error).__name__}: {error}".partition("\n")[0].rstrip(": ")
