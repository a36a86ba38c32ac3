"""Use UTF-8 for file names and output, whatever the locale says."""

from __future__ import annotations

import io
import os
import sys


def use_utf8() -> None:
    """Start Python again in UTF-8 mode if the locale does not encode file names as UTF-8.

    Python fixes this encoding when it starts: with LC_ALL=C PYTHONUTF8=0, it could not open files that a
    list in UTF-8 names. Then let standard output escape the characters that it cannot encode.
    """
    if sys.getfilesystemencoding() != "utf-8" and sys.executable:
        os.environ["PYTHONUTF8"] = "1"  # for processes that this one starts
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
