"""What a dataset may read: what lies in its own folder, and in those that the options name.

A dataset comes from whoever made it. Its annotations name no file outside (`leads_out`), and a link
that it brings along is not followed there (`PathGuard`), unless the user says so.
"""

from __future__ import annotations

import os
from pathlib import Path

from ocr_trainer.errors import DataError
from ocr_trainer.plugin.options import FolderConfig


def leads_out(name: str) -> bool:
    """Tell by a name alone whether it is no path below a folder."""
    name = name.replace("\\", "/")
    return name.startswith("/") or ".." in name.split("/") or "\0" in name


class PathGuard:
    """The folders that files may lie in once links are followed, those of the options included.

    Of folders whose files were asked for before, only the last link of a path is looked at.
    """

    def __init__(self, root: Path, config: FolderConfig) -> None:
        options = vars(config).items()
        given = [root / value for key, value in options if isinstance(value, Path) and key != "root"]
        self._open = config.follow_links
        self._inside = tuple(os.path.realpath(folder) for folder in (root, *given))
        self._below = tuple(f"{folder.rstrip('/')}/" for folder in self._inside)
        self._homes: dict[str, bool] = {}

    def check(self, path: Path | str) -> None:
        """Refuse a file or folder that a link leads to from elsewhere.

        Raises:
            DataError: If it is one.
        """
        text = str(path)
        if self._open:
            return
        home = os.path.dirname(text)  # noqa: PTH120 - a path would take ten times as long
        if (within := self._homes.get(home)) is None:
            within = self._homes[home] = self._holds(home)
        if within and not os.path.islink(text):  # noqa: PTH114
            return
        if not self._holds(text):
            raise DataError(
                f"'{text}' is behind a link out of the dataset's folder, to '{os.path.realpath(text)}';"
                " if you trust it: dataset.follow_links=true"
            )

    def _holds(self, path: str) -> bool:
        real = os.path.realpath(path)
        return real in self._inside or real.startswith(self._below)
