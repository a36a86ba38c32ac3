"""Keep datasets within their own folder and the folders that the options name.

A dataset may come from an untrusted source. Its annotations must not name files outside
(`escapes_root`), and links in it are not followed out of it (`PathGuard`) unless the user allows it.
"""

from __future__ import annotations

import os
from pathlib import Path

from ocr_trainer.errors import DataError
from ocr_trainer.plugin.options import FolderConfig


def escapes_root(name: str) -> bool:
    """Return whether a name alone shows that it is not a path below a folder."""
    name = name.replace("\\", "/")
    return name.startswith("/") or ".." in name.split("/") or "\0" in name


class PathGuard:
    """Checks that files stay within the allowed folders after links are resolved.

    Args:
        root: Folder of the dataset.
        config: Options of the dataset. Every path in them is allowed, too.
    """

    def __init__(self, root: Path, config: FolderConfig) -> None:
        options = vars(config).items()
        given = [root / value for key, value in options if isinstance(value, Path) and key != "root"]
        self._follow_links = config.follow_links
        self._allowed = tuple(os.path.realpath(folder) for folder in (root, *given))
        self._prefixes = tuple(f"{folder.rstrip('/')}/" for folder in self._allowed)
        self._checked: dict[str, bool] = {}

    def check(self, path: Path | str) -> None:
        """Raise an error if a link leads from this path out of the allowed folders.

        Raises:
            DataError: If it does.
        """
        text = str(path)
        if self._follow_links:
            return
        folder = os.path.dirname(text)  # noqa: PTH120 - Path would take ten times as long
        if (within := self._checked.get(folder)) is None:
            within = self._checked[folder] = self._contains(folder)
        if within and not os.path.islink(text):  # noqa: PTH114
            return
        if not self._contains(text):
            raise DataError(
                f"'{text}' is behind a link that leaves the dataset folder, to '{os.path.realpath(text)}';"
                " if you trust it: dataset.follow_links=true"
            )

    def _contains(self, path: str) -> bool:
        real = os.path.realpath(path)
        return real in self._allowed or real.startswith(self._prefixes)
