"""The type of the fixture `call`."""

from __future__ import annotations

from collections.abc import Callable

Call = Callable[..., tuple[int, str, str]]
"""Runs a command line in this process; returns exit status, standard output and standard error."""
