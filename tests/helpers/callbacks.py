"""A distribution of callbacks that do harm at a chosen call of a chosen hook."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helpers import fakes

SOURCE = '''
from __future__ import annotations
from dataclasses import dataclass
from ocr_trainer.plugin import CallbackPlugin, Config


@dataclass
class UnrulyConfig(Config):
    """A callback that does harm."""

    hook: str = "on_train_batch_end"
    """Where."""
    call: int = 1
    """At which call, from 1; 0 for every one."""
    how: str = "fail"
    """What it does: the name of a function."""
    rank: int = -1
    """In which process; -1 for all."""
    key: str = ""
    """Its state_key."""


unruly = CallbackPlugin(
    api=1, summary="does harm", config=UnrulyConfig, factory="acme_callbacks_heavy:Unruly"
)
other = CallbackPlugin(api=1, summary="the same", config=UnrulyConfig, factory="acme_callbacks_heavy:Unruly")
counter = CallbackPlugin(api=1, summary="counts", config=Config, factory="acme_callbacks_heavy:Counter")
keeper = CallbackPlugin(api=1, summary="saves", config=Config, factory="acme_callbacks_heavy:keeper")
bar = CallbackPlugin(api=1, summary="a bar", config=Config, factory="acme_callbacks_heavy:bar")
nothing = CallbackPlugin(api=1, summary="no callback", config=Config, factory="acme_callbacks_heavy:nothing")
'''

HEAVY = """
from pathlib import Path
import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import LambdaCallback, ModelCheckpoint, TQDMProgressBar
from ocr_trainer.errors import ConfigError
from ocr_trainer.runs.run_dir import is_rank_zero


def fail(*_, **__):
    raise ValueError("bad\\nluck")

def leave(*_):
    raise SystemExit(3)

def stop_iteration(*_):
    raise StopIteration

def interrupt(*_):
    raise KeyboardInterrupt

def of_the_user(*_):
    raise ConfigError("the option is impossible")

def brighter(trainer, task, batch, *_):
    batch.images += 1

def floating(trainer, task, batch, *_):
    batch.images = batch.images.float()

def narrower(trainer, task, batch, *_):
    batch.images = batch.images[..., :-1]

def fewer(trainer, task, batch, *_):
    batch.images = batch.images[1:]

def untied(trainer, task, batch, *_):
    batch.targets.clear()

def unreadable(*_):
    return {"best": [Path("x")]}

def hoard(trainer, task, checkpoint):
    checkpoint["acme"] = {1, 2}


class Unruly(pl.Callback):
    def __init__(self, config, context):
        self.config, self.left = config, config.call
        if config.key:
            self.key = config.key
        setattr(self, config.hook, self.harm)

    @property
    def state_key(self):
        return self.config.key or "Unruly"

    def harm(self, *args, **options):
        if args and getattr(args[0], "sanity_checking", False):
            return None
        self.left -= 1
        rank = 0 if is_rank_zero() else 1
        if (self.left == 0 or self.config.call == 0) and self.config.rank in (-1, rank):
            return globals()[self.config.how](*args, **options)


class Counter(pl.Callback):
    def __init__(self, config, context):
        self.batches = 0

    def on_train_batch_end(self, *_):
        self.batches += 1

    def state_dict(self):
        return {"batches": self.batches, "weights": [torch.ones(2)], "of": ("a", None, True, 1.5)}

    def load_state_dict(self, state):
        self.batches = state["batches"]
        print("counter resumes at", self.batches)


def keeper(config, context):
    return ModelCheckpoint()

def bar(config, context):
    return TQDMProgressBar()

def nothing(config, context):
    return object()
"""
NAMES = ("unruly", "other", "counter", "keeper", "bar", "nothing")


@contextmanager
def acme_callbacks(folder: Path) -> Iterator[Path]:
    """Have this process find the callbacks; the folder is for the path of other processes."""
    with fakes.visible(folder):
        entries = "".join(f"{name} = {{}}:{name}\n" for name in NAMES)
        fakes.install(folder, "acme-callbacks", f"[ocr_trainer.callbacks]\n{entries}", SOURCE)
        (folder / "acme_callbacks_heavy.py").write_text(HEAVY, encoding="utf-8")
        yield folder
