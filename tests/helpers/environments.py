"""Virtual environments for tests that install."""

from __future__ import annotations

import json
import os
import site
import subprocess
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Environment:
    """A virtual environment and a folder to work in."""

    folder: Path

    @classmethod
    def make(cls, folder: Path, editable: bool = True) -> Environment:
        """Make one in which what is installed here can be imported, too, with or without editable installs."""
        venv.create(folder / "venv", symlinks=True)
        base = {"base": str(folder / "venv"), "platbase": str(folder / "venv")}
        own = Path(sysconfig.get_path("purelib", "venv", vars=base))
        shared = dict.fromkeys([*site.getsitepackages(), sysconfig.get_path("purelib")])
        # `addsitedir`, unlike a mere path, obeys the .pth files of editable installs.
        lines = [
            f"import site; site.addsitedir({str(place)!r})\n" if editable else f"{place}\n"
            for place in shared
        ]
        (own / "shared.pth").write_text("".join(lines), encoding="utf-8")
        return cls(folder)

    def python(self, *words: str, cwd: Path | None = None) -> Done:
        """Run its Python, in its folder if no other is given."""
        return subprocess.run(
            [self.folder / "venv" / "bin" / "python", *words],
            cwd=cwd or self.folder,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            encoding="utf-8",
            stdin=subprocess.DEVNULL,
            timeout=240,
            check=False,
        )

    def pip(self, *words: str) -> None:
        """Run pip, which must succeed."""
        done = self.python("-m", "pip", "--disable-pip-version-check", "--quiet", *words)
        assert done.returncode == 0, done.stdout + done.stderr

    def ocr_train(self, *words: str) -> Done:
        """Run ocr-train."""
        return self.python("-m", "ocr_trainer", *words)

    def listed(self) -> list[dict[str, Any]]:
        """Return what list-plugins says."""
        rows: list[dict[str, Any]] = json.loads(self.ocr_train("list-plugins", "--json").stdout)
        return rows


# pip may reach nothing: what is needed is installed here, or comes from the disk.
OFFLINE = ("--no-index", "--no-deps", "--no-build-isolation")
