"""`ocr-train` as a process that need not import torch and Lightning first, which takes several seconds."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import CompletedProcess

import torch
from helpers import launching


def ocr_train(words: Sequence[str], folder: Path, environment: Mapping[str, str]) -> CompletedProcess[str]:
    """Run `ocr-train` in a process forked from one that has imported torch and Lightning.

    Args:
        words: Its arguments.
        folder: Where it runs.
        environment: Its whole environment.

    Returns:
        What `subprocess.run` would return.
    """
    with tempfile.TemporaryDirectory() as place:
        outputs = [Path(place, name) for name in ("stdout", "stderr")]
        process = launching._server().Process(
            target=_run, args=(list(words), str(folder), dict(environment), list(map(str, outputs)))
        )
        process.start()
        status = launching.status(process)
        said = [path.read_text(encoding="utf-8") for path in outputs]
    return CompletedProcess(["ocr-train", *words], status, *said)


def _run(words: list[str], folder: str, environment: dict[str, str], outputs: list[str]) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    # The server has settled on one already.
    tempfile.tempdir = None
    # An interpreter reads it at its start.
    sys.path[:0] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    torch.set_num_threads(1)
    for number, path in enumerate(outputs, start=1):
        file = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.dup2(file, number)
        os.close(file)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)
    sys.argv = ["ocr-train", *words]
    from ocr_trainer.cli.main import main

    sys.exit(main())
