"""`load`: exported models, ready to read images."""

from __future__ import annotations

import os

from ocr_trainer_runtime.errors import ConfigError, ModelError
from ocr_trainer_runtime.onnx_file import MAKE, open_file
from ocr_trainer_runtime.onnx_models import BATCH_SIZE, OnnxDetector, OnnxRecognizer
from ocr_trainer_runtime.options import Tiles
from ocr_trainer_runtime.pipeline import Pipeline, only_margin
from ocr_trainer_runtime.reader import Reader

Model = str | os.PathLike[str]
MAX_THREADS = 1024
"""The most threads that may run a network."""


def load(
    model: Model,
    other: Model | None = None,
    *,
    threads: int | None = None,
    margin: float | None = None,
    int8: bool = False,
) -> Reader:
    """Load an exported detector, a recognizer, or both.

    Args:
        model: The folder that `ocr-train export --format onnx` wrote, or the file `model.onnx` in it.
        other: The other model, in the same forms; the order does not matter.
        threads: Threads that run a network; by default, as many as there are cores.
        margin: Margin around each cropped word, from 0 to 1 as a fraction of its height; by default, that of
            the recognizer's training.
        int8: Whether to run `model.int8.onnx` where a folder has it.

    Returns:
        The reader. Threads can share it.

    Raises:
        ModelError: A model is missing or damaged, no export of this form, or both have the same task.
        ConfigError: `threads` or `margin` is out of range, or has to be given.
    """
    if model is None:  # a variable that was never set
        raise ModelError(f"no model is given: {MAKE} writes one")
    if threads is not None and not (isinstance(threads, int) and 1 <= threads <= MAX_THREADS):
        raise ConfigError(f"threads must be a whole number from 1 to {MAX_THREADS}, not {threads!r}")
    if margin is not None and not 0 <= margin <= 1:
        raise ConfigError(f"margin must be at least 0 and at most 1, not {margin:g}")
    files = [open_file(path, threads, int8) for path in (model, other) if path is not None]
    detectors = [file for file in files if file.metadata.kind == "regions"]
    recognizers = [file for file in files if file not in detectors]
    for same, does, instead in ((detectors, "find", "a recognizer"), (recognizers, "read", "a detector")):
        if len(same) > 1:
            names = " and ".join(f"'{file.metadata.path}'" for file in same)
            raise ModelError(f"{names} both {does} texts: give one of them and {instead}")
    finds = OnnxDetector(detectors[0]) if detectors else None
    reads = OnnxRecognizer(recognizers[0]) if recognizers else None
    if finds and reads and margin is None:
        margin = only_margin(recognizers[0].metadata.margins)
    tiles, least = (finds.tiles, finds.least) if finds else (Tiles(), None)
    tasks = {"regions": "detection"}
    listed = [(tasks.get(file.metadata.kind, "recognition"), file.metadata) for file in files]
    description = ", ".join(f"{task} by {about.model} from {about.path}" for task, about in listed)
    return Reader(Pipeline(finds, reads, margin or 0.0, tiles, least, BATCH_SIZE), description)
