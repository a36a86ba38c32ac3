"""PaddleX in another interpreter, with pipes for the arrays."""

from __future__ import annotations

import subprocess
import weakref
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np

from ocr_trainer.errors import ExportError

WORKER = Path(__file__).with_name("paddlex_worker.py")
INSTALL = "pip install 'paddlex[ocr-core]==3.7.*' onnxruntime"


class PaddleX:
    """A process that runs one model.

    Args:
        python: The interpreter, which has PaddleX.
        name: A name that PaddleX knows.
        folder: What has `inference.onnx` and `inference.yml`.

    Raises:
        ExportError: PaddleX does not start.
    """

    def __init__(self, python: Path, name: str, folder: Path) -> None:
        try:
            self.process = subprocess.Popen(
                [str(python), str(WORKER), name, str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            weakref.finalize(self, end, self.process)
            self.version = str(receive(self._output)["version"])
        except (OSError, EOFError) as error:
            raise ExportError(
                f"the gate runs the export with PaddleX, which {python} does not start\n"
                f"  {INSTALL} there, or leave out exporter.python"
            ) from error

    @property
    def _output(self) -> IO[bytes]:
        assert self.process.stdout is not None
        return self.process.stdout

    def _ask(self, **arrays: np.ndarray) -> Mapping[str, np.ndarray]:
        assert self.process.stdin is not None
        send(self.process.stdin, arrays)
        return receive(self._output)

    def run(self, images: np.ndarray) -> np.ndarray:
        """Return the output of the network: float32 (batch, …), for float32 (batch, 3, height, width)."""
        return self._ask(x=images)["y"]

    def read(self, images: Sequence[np.ndarray]) -> list[str]:
        """Return the texts of images: uint8 (height, width, 3), BGR."""
        found = self._ask(**{f"image{place}": image for place, image in enumerate(images)})
        return [str(text) for text in found["texts"]]

    def find(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return boxes, (count, 4, 2), and scores, (count,), of an image: uint8 (height, width, 3), BGR."""
        found = self._ask(image0=image)
        return found["boxes"], found["scores"]


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and close its pipes."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def send(pipe: IO[bytes], arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays by name: the number of bytes, 8 bytes, then an .npz file."""
    content = BytesIO()
    np.savez(content, **dict[str, Any](arrays))
    pipe.write(content.tell().to_bytes(8, "little") + content.getvalue())
    pipe.flush()


def receive(pipe: IO[bytes]) -> Mapping[str, np.ndarray]:
    """Read what `send` wrote.

    Raises:
        EOFError: The other side has ended.
    """
    head = pipe.read(8)
    if len(head) < 8:
        raise EOFError("PaddleX has ended")
    content = pipe.read(int.from_bytes(head, "little"))
    return dict(np.load(BytesIO(content), allow_pickle=False))
