"""`CallbackGuard`: a plugin callback that fails ends the run with one message, and nothing is lost.

The guard wraps the hooks of the callback object itself, so that Lightning still sees a callback of its class.
It also notes changes of batches, and refuses a state that could not be read from a checkpoint again.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch import Tensor

from ocr_trainer.data.types import Batch
from ocr_trainer.engine.callbacks.batch_changes import changed_parts, misfit, snapshot
from ocr_trainer.engine.distributed import LOST
from ocr_trainer.errors import CallbackRaised, ConfigError, DataError, OcrTrainerError
from ocr_trainer.plugin.metadata import Installed

log = logging.getLogger("ocr_trainer")

HOOKS = tuple(
    name
    for name in vars(Callback)
    if name.startswith("on_") or name in ("setup", "teardown", "state_dict", "load_state_dict")
)
BATCH_HOOKS = ("on_train_batch_start", "on_validation_batch_start", "on_test_batch_start")
PLAIN = (type(None), bool, int, float, str, Tensor)
"""What a checkpoint can hold, besides dictionaries, lists and tuples."""


class CallbackGuard:
    """Wraps the hooks of a plugin callback.

    Args:
        plugin: The callback's plugin, for messages.
        callback: The callback; its hooks are replaced.
        folder: The run directory, for messages.
    """

    def __init__(self, plugin: Installed, callback: Callback, folder: Path) -> None:
        self.plugin, self.callback, self.folder = plugin, callback, folder
        self.notes: list[str] = []
        """What the callback does that may not be intended, for report.json."""
        self.failed = False
        for name in HOOKS:
            hook = getattr(callback, name)
            # An attribute of the object, such as LambdaCallback has, is a hook, too.
            if getattr(hook, "__func__", hook) is not vars(Callback)[name]:
                setattr(callback, name, partial(self._call, name, hook))

    @property
    def title(self) -> str:
        """The plugin and its distribution, for messages."""
        return f"the callback '{self.plugin.name}' ({self.plugin.distribution} {self.plugin.version})"

    def _call(self, name: str, hook: Callable[..., Any], *args: Any, **options: Any) -> Any:
        try:
            return self._checked(name, hook, *args, **options)
        except (Exception, SystemExit) as error:
            ours = isinstance(error, OcrTrainerError | SIGTERMException)
            if self.failed or name == "on_exception":
                # The run is ending already: for its reason, which this error must not replace.
                log.warning("%s also failed in %s: %s", self.title, name, describe(error))
                return {} if name == "state_dict" else None
            self.failed = True
            if ours or _of_another_process(error, args):
                raise
            raise self._error(f"raised in {name}: {describe(error)}") from error

    def _checked(self, name: str, hook: Callable[..., Any], *args: Any, **options: Any) -> Any:
        if name in BATCH_HOOKS:
            return self._watch_batch(name, hook, *args, **options)
        if name == "state_dict":
            state = hook(*args, **options)
            self._refuse_unreadable(state, "its state")
            return state
        if name == "on_save_checkpoint":
            checkpoint = args[-1]
            before = set(checkpoint)
            hook(*args, **options)
            for key in checkpoint.keys() - before:
                self._refuse_unreadable(checkpoint[key], f"what it adds to the checkpoint as '{key}'")
            return None
        return hook(*args, **options)

    def _watch_batch(self, name: str, hook: Callable[..., Any], *args: Any, **options: Any) -> None:
        _, task, batch, *_ = args
        before = snapshot(batch)
        hook(*args, **options)
        changed = changed_parts(before, batch)
        if not changed:
            return
        parts = ", ".join(changed)
        reason = misfit(before, batch)
        if reason is None and name == "on_train_batch_start":
            reason = _refusal(task, batch)
        if reason is not None:
            raise self._error(f"changes the {parts} of a batch in {name}: {reason}")
        note = f"{self.title} changes batches in {name}: {parts}"
        if note not in self.notes:
            self.notes.append(note)
            task.print(f"note: {note}")

    def _refuse_unreadable(self, value: Any, what: str) -> None:
        if found := unreadable(value):
            raise self._error(
                f"cannot be saved: {what} contains {found}\n  a checkpoint holds tensors, numbers, strings,"
                " None, and dictionaries, lists and tuples of them"
            )

    def _error(self, reason: str) -> CallbackRaised:
        return CallbackRaised(
            f"{self.title} {reason}\n  the run can be resumed, with the callback or without it:"
            f" ocr-train resume {self.folder}"
        )


def check_state_keys(callbacks: Sequence[Callback], guards: Sequence[CallbackGuard]) -> None:
    """Refuse callbacks that would save their states under one key.

    Args:
        callbacks: All callbacks of a run.
        guards: Those of plugins.

    Raises:
        ConfigError: Two callbacks have one key.
    """
    names = {id(guard.callback): guard.title for guard in guards}
    taken: dict[str, Callback] = {}
    for callback in callbacks:
        if getattr(callback.state_dict, "__func__", None) is Callback.state_dict:
            continue
        other = taken.setdefault(callback.state_key, callback)
        if other is not callback:
            pair = [names.get(id(c), f"the trainer's own {type(c).__name__}") for c in (other, callback)]
            raise ConfigError(
                f"{pair[0]} and {pair[1]} save their states under one key, '{callback.state_key}':"
                " leave one of them out, or give one a `state_key` of its own"
            )


def dropped_states(
    checkpoint: Mapping[str, Any], callbacks: Sequence[Callback], own: Sequence[str]
) -> list[str]:
    """Return the keys of the states in a checkpoint that no callback of a resumed run takes.

    Args:
        checkpoint: The checkpoint to resume from.
        callbacks: All callbacks of the run.
        own: The beginnings of the keys of the trainer's own callbacks, which options turn on and off.
    """
    taken = {callback.state_key for callback in callbacks}
    return sorted(
        key for key in checkpoint["callbacks"] if key not in taken and not key.startswith(tuple(own))
    )


def unreadable(value: Any) -> str | None:
    """Return the type, and the place, of something in a state that no checkpoint can hold, or None."""
    if isinstance(value, dict) and type(value) in (dict, OrderedDict):
        items = [*((repr(key), item) for key, item in value.items()), *(("a key", key) for key in value)]
    elif type(value) in (list, tuple):
        items = [(str(index), item) for index, item in enumerate(value)]
    else:
        # Exact types: numpy.float64 is a float that a checkpoint cannot hold.
        known = type(value) in PLAIN or isinstance(value, Tensor)
        return None if known else f"a {type(value).__module__}.{type(value).__qualname__}"
    for place, item in items:
        if found := unreadable(item):
            return found if " (" in found else f"{found} ({place})"
    return None


def describe(error: BaseException) -> str:
    """Return the type and the message of an exception, on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")


def _of_another_process(error: BaseException, args: Sequence[Any]) -> bool:
    """Return whether an error says that another process was lost, which happened to be noticed here."""
    trainer = args[0] if args and isinstance(args[0], Trainer) else None
    return trainer is not None and trainer.world_size > 1 and bool(LOST.search(str(error)))


def _refusal(task: Any, batch: Batch) -> str | None:
    """Return why the model cannot use a training batch, or None."""
    try:
        task.check_batch(batch)
    except DataError as error:
        return str(error)
    return None
