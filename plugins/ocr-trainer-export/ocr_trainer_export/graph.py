"""Trace a module into an ONNX file with metadata, check it, and run ONNX files."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

OPSET = 17
"""The version of ONNX's operators: RapidOCR, OnnxTR and OpenCV read it."""

Axes = Mapping[str, Mapping[int, str]]
"""The axes of inputs and outputs whose size is free: name, axis, name of the size."""


@dataclass(frozen=True)
class Graph:
    """A module to trace."""

    module: nn.Module
    """A module that returns a tuple of tensors."""
    inputs: Mapping[str, Tensor]
    """Example inputs by name."""
    outputs: Sequence[str]
    axes: Axes


def write_onnx(graph: Graph, path: Path, metadata: Mapping[str, str]) -> None:
    """Trace a module and write it as one ONNX file.

    Args:
        graph: The module.
        path: The file.
        metadata: Named strings to store in the file.
    """
    module = graph.module.eval()
    with warnings.catch_warnings(), torch.no_grad():
        # Tracing warns about sizes that become constants; the gate finds those that matter.
        warnings.simplefilter("ignore")
        # With dynamo=True, the number of steps of an LSTM would be fixed at the example's (pytorch #191855).
        torch.onnx.export(
            module,
            tuple(graph.inputs.values()),
            str(path),
            input_names=list(graph.inputs),
            output_names=list(graph.outputs),
            dynamic_axes={name: dict(axes) for name, axes in graph.axes.items()},
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load(str(path))
    onnx.helper.set_model_props(model, dict(metadata))
    model.producer_name = "ocr-trainer"
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


class LastRun:
    """A consumer's session that remembers its last result.

    The gate requests the output of a network and then the texts. For these, the consumer runs the network
    again, on what should be the same array.
    """

    def __init__(self, session: Callable[[np.ndarray], np.ndarray]) -> None:
        self.session = session
        self.given = self.found = np.zeros(0, np.float32)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return what the session returns."""
        if not np.array_equal(images, self.given):
            self.given, self.found = images.copy(), self.session(images)
        return self.found


class Session:
    """Runs an ONNX file with onnxruntime on the CPU."""

    title = f"onnxruntime {onnxruntime.__version__}"

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # Spinning threads would take cores from threads that have work.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(
            str(path), sess_options=options, providers=["CPUExecutionProvider"]
        )
        self.inputs = [entry.name for entry in self.session.get_inputs()]
        self.outputs = [entry.name for entry in self.session.get_outputs()]

    def accepted(self, **inputs: np.ndarray | None) -> dict[str, np.ndarray]:
        """Return the inputs that the file has."""
        return {name: value for name, value in inputs.items() if name in self.inputs and value is not None}

    def __call__(self, **inputs: np.ndarray | None) -> dict[str, np.ndarray]:
        """Run the network and return the outputs by name; ignore inputs that the file does not have."""
        return dict(zip(self.outputs, self.session.run(None, self.accepted(**inputs)), strict=True))
