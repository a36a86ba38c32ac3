"""Open ONNX files of exported models in onnxruntime."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from ocr_trainer_runtime.errors import ModelError
from ocr_trainer_runtime.metadata import Metadata

MODEL, INT8 = "model.onnx", "model.int8.onnx"
NAMES = ("images", "widths")
"""The inputs that an export may have."""
MAKE = "`ocr-train export MODEL --format onnx --out FOLDER`"
"""The command that writes an export."""
UNREADABLE = ("INVALID_PROTOBUF", "No graph was found")
"""What onnxruntime says of a file that is no ONNX file."""


@dataclass(frozen=True)
class OnnxFile:
    """An exported model in onnxruntime. Threads can share it."""

    metadata: Metadata
    session: Any
    """An `onnxruntime.InferenceSession`."""
    inputs: frozenset[str]
    outputs: tuple[str, ...]
    classes: int | None
    """The last axis of the main output; None if it is free."""

    def run(self, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Run the network and return the outputs by name; ignore inputs that the file does not have.

        Raises:
            ModelError: The network fails.
        """
        known = {name: value for name, value in inputs.items() if name in self.inputs}
        try:
            found = self.session.run(None, known)
        except Exception as error:  # onnxruntime has an exception class per status, without a common base
            raise ModelError(f"'{self.metadata.path}' failed: {_first_line(error)}") from error
        return dict(zip(self.outputs, found, strict=True))


def open_file(model: str | os.PathLike[str], threads: int | None, int8: bool) -> OnnxFile:
    """Open an exported model.

    Args:
        model: The folder of an export, or the file in it.
        threads: Threads that run the network; None for all cores.
        int8: Whether to open the quantized file of a folder, if it has one.

    Raises:
        ModelError: The file is missing or damaged, or is not an export of ocr-trainer.
    """
    path = _path(Path(model), int8)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads or 0
    # Spinning threads would take cores from threads that have work.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(
            str(path), sess_options=options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # see above
        reason = _first_line(error)
        if any(sign in reason for sign in UNREADABLE):
            raise ModelError(f"'{path}' is no ONNX file, or is damaged: {MAKE} writes one") from error
        raise ModelError(f"'{path}' cannot be run by onnxruntime: {reason}") from error
    metadata = Metadata.parse(path, session.get_modelmeta().custom_metadata_map)
    inputs = frozenset(entry.name for entry in session.get_inputs())
    outputs = tuple(entry.name for entry in session.get_outputs())
    expected = {"probabilities", *(["steps"] if metadata.kind == "ctc" else [])}
    if "images" not in inputs or inputs - set(NAMES) or not expected <= set(outputs):
        raise ModelError(f"'{path}' has other inputs or outputs than the exports of `--format onnx`")
    (shape,) = (entry.shape for entry in session.get_outputs() if entry.name == "probabilities")
    classes = shape[-1] if shape and isinstance(shape[-1], int) else None
    return OnnxFile(metadata, session, inputs, outputs, classes)


def _path(path: Path, int8: bool) -> Path:
    if path.is_dir():
        quantized = path / INT8
        path = quantized if int8 and quantized.exists() else path / MODEL
    if not path.is_file():
        raise ModelError(f"there is no exported model at '{path}': {MAKE} writes one")
    return path


def _first_line(error: Exception) -> str:
    return " ".join((str(error).splitlines() or [type(error).__name__])[0].split())
