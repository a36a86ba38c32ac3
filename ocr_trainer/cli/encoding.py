"""Names of files and what is printed are UTF-8, whatever the locale says."""

from __future__ import annotations

import io
import os
import sys


def use_utf8() -> None:
    """Start Python again in UTF-8 mode if the locale's names of files are not UTF-8.

    It fixes their encoding when it starts, and with LC_ALL=C PYTHONUTF8=0 it could open no file of the name
    that a list in UTF-8 gives. Then see to it that no character is one that standard output refuses.
    """
    if sys.getfilesystemencoding() != "utf-8" and sys.executable:
        os.environ["PYTHONUTF8"] = "1"  # for processes that this one starts
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
