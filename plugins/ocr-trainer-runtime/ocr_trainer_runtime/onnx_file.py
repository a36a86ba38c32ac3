"""ONNX files of exported models: what they say about themselves, and sessions that run them."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from ocr_trainer_runtime.errors import ModelError

KEY = "ocr_trainer"
"""The key of the metadata of an export."""
FORMAT = 1
"""The version of the metadata that is read."""
MODEL, INT8 = "model.onnx", "model.int8.onnx"


@dataclass(frozen=True)
class OnnxFile:
    """An exported model in onnxruntime. Threads can share it."""

    path: Path
    session: Any
    """An `onnxruntime.InferenceSession`."""
    metadata: dict[str, Any]

    @property
    def kind(self) -> str:
        """What the main output holds: `regions`, `ctc` or `positions`."""
        return str(self.metadata["output"]["kind"])

    def run(self, **inputs: np.ndarray) -> Sequence[np.ndarray]:
        """Return the outputs for inputs by name; those that the file does not have are left out."""
        known = {entry.name for entry in self.session.get_inputs()}
        found: Sequence[np.ndarray] = self.session.run(
            None, {name: value for name, value in inputs.items() if name in known}
        )
        return found


def open_file(model: str | os.PathLike[str], threads: int | None, int8: bool) -> OnnxFile:
    """Open an exported model.

    Args:
        model: The folder of an export, or the file in it.
        threads: Threads that run a network; None for all cores.
        int8: Whether to take the quantized file of a folder, if it has one.

    Raises:
        ModelError: It is no export of ocr-trainer, or it is damaged.
    """
    path = _file(Path(model), int8)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads or 0
    # Threads that wait for work would take the cores of those that have some.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(
            str(path), sess_options=options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime has an exception class per status, without a common base
        reason = str(error).splitlines()[0]
        raise ModelError(f"'{path}' cannot be run by onnxruntime: {reason}") from error
    return OnnxFile(path, session, _metadata(path, session.get_modelmeta().custom_metadata_map))


def _file(path: Path, int8: bool) -> Path:
    if path.is_dir():
        quantized = path / INT8
        path = quantized if int8 and quantized.exists() else path / MODEL
    if not path.is_file():
        raise ModelError(f"there is no exported model at '{path}'")
    return path


def _metadata(path: Path, named: dict[str, str]) -> dict[str, Any]:
    try:
        found = json.loads(named[KEY])
    except (KeyError, ValueError) as error:
        raise ModelError(f"'{path}' was not written by `ocr-train export --format onnx`") from error
    if found["format"] != FORMAT:
        raise ModelError(f"'{path}' has metadata of version {found['format']}, this runtime reads {FORMAT}")
    return dict(found)
