"""The garbage collector of a command: paused while it imports. A process that calls us keeps its own."""

from __future__ import annotations

import gc

_paused = False


def pause() -> None:
    """Stop the collector until `resume`: it takes a fifth of the time of importing torch."""
    global _paused
    gc.disable()
    _paused = True


def freeze_imports() -> None:
    """Exempt all imported objects from collection permanently, if the collector is paused.

    Call this before anything is built: the next run of a sweep must be able to free the objects of this one.
    """
    if _paused:
        gc.freeze()


def resume() -> None:
    """Start the collector again, if it is paused."""
    global _paused
    if _paused:
        gc.enable()
        _paused = False
