"""`load`: exported models, ready to read images."""

from __future__ import annotations

import os

from ocr_trainer_runtime.errors import ModelError
from ocr_trainer_runtime.onnx_file import OnnxFile, open_file
from ocr_trainer_runtime.reader import Reader

Model = str | os.PathLike[str]


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
        ModelError: A model is missing, damaged, or not of this form, or both models have the same task.
    """
    files = [open_file(path, threads, int8) for path in (model, other) if path is not None]
    detectors = [file for file in files if file.kind == "regions"]
    recognizers = [file for file in files if file.kind != "regions"]
    if len(detectors) > 1:
        raise ModelError(f"{_names(files)} both find texts: give one of them with a recognizer")
    if len(recognizers) > 1:
        raise ModelError(f"{_names(files)} both read texts: give one of them with a detector")
    return Reader(next(iter(detectors), None), next(iter(recognizers), None), margin)


def _names(files: list[OnnxFile]) -> str:
    return " and ".join(f"'{file.path}'" for file in files)
