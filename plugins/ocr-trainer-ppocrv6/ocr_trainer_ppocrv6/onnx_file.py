"""Read the tensors and the structure of an ONNX file. No code in it is run, and no other file is read."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ocr_trainer.errors import CheckpointError

MAX_BYTES = 256 * 2**20
"""Largest file that is read; the published files have 10 and 21 MB."""
MAX_NODES = 5000
"""Largest number of nodes in a graph; the published graphs have about 500."""
MAX_CONSTANT = 4
"""Largest number of values in a constant, such as the factors of a resize; larger tensors are weights."""
STANDARD = ("", "ai.onnx")
"""The two names of the domain of ONNX's own operators."""


@dataclass(frozen=True)
class OnnxNetwork:
    """The content of an ONNX file."""

    weights: dict[str, np.ndarray]
    """The weights, float32, by name, in the order in which the graph uses them."""
    structure: str
    """SHA-256 of the operators, their attributes and constants, and their connections."""
    metadata: dict[str, str]


def read_onnx(path: Path) -> OnnxNetwork:
    """Read a network from an ONNX file.

    Raises:
        CheckpointError: The file is missing, damaged or too large. Or it has something that these networks do
            not need: data in other files, custom operators, functions, nested graphs, or weights that are
            unused, not float32 or not finite. The message does not name the file.
    """
    model = _parse(path)
    graph = model.graph
    if model.functions or any(node.domain not in STANDARD for node in graph.node):
        raise CheckpointError("it has custom operators, not only those of ONNX")
    if len(graph.node) > MAX_NODES:
        raise CheckpointError(f"its graph has {len(graph.node)} nodes, more than {MAX_NODES}")
    if graph.sparse_initializer or any(_is_nested(node) for node in graph.node):
        raise CheckpointError("it has sparse tensors or nested graphs")
    tensors = {tensor.name: _array(tensor) for tensor in graph.initializer}
    weights = {name: value for name, value in tensors.items() if not _is_constant(value)}
    order = dict.fromkeys(name for node in graph.node for name in node.input if name in weights)
    if unused := [name for name in weights if name not in order]:
        raise CheckpointError(f"it has weights that its graph does not use: {', '.join(unused[:3])}")
    return OnnxNetwork(
        weights={name: weights[name] for name in order},
        structure=hashlib.sha256("\n".join(_structure(graph, tensors)).encode()).hexdigest(),
        metadata={entry.key: entry.value for entry in model.metadata_props},
    )


def _parse(path: Path) -> Any:
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ModuleNotFoundError as error:
        raise CheckpointError(
            "it needs a package that is not installed\n  pip install 'ocr-trainer-ppocrv6[rapidocr]'"
        ) from error
    try:
        if (size := path.stat().st_size) > MAX_BYTES:
            raise CheckpointError(f"it has {size / 2**20:.0f} MiB, more than {MAX_BYTES // 2**20}")
        return onnx.load_model_from_string(path.read_bytes())
    except OSError as error:
        raise CheckpointError(f"it cannot be read: {error.strerror}") from error
    except DecodeError as error:
        raise CheckpointError("it is not an ONNX file, or it is damaged") from error


def _is_nested(node: Any) -> bool:
    return any(
        attribute.HasField("g") or attribute.graphs or attribute.HasField("sparse_tensor")
        for attribute in node.attribute
    )


def _is_constant(value: np.ndarray) -> bool:
    """Return whether a tensor is a constant of the graph, not a weight."""
    return value.dtype != np.float32 or (value.ndim <= 1 and value.size <= MAX_CONSTANT)


def _array(tensor: Any) -> np.ndarray:
    """Return a tensor as an array.

    Raises:
        CheckpointError: Its data are in another file, do not fit its shape, or are not finite.
    """
    from onnx import TensorProto, numpy_helper

    if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
        raise CheckpointError(f"its tensor {tensor.name} is in another file, which is never read")
    kinds: dict[int, np.dtype[Any]] = {
        TensorProto.FLOAT: np.dtype(np.float32),
        TensorProto.INT64: np.dtype(np.int64),
    }
    if (kind := kinds.get(tensor.data_type)) is None:
        raise CheckpointError(f"its tensor {tensor.name} is neither float32 nor int64")
    size = math.prod(tensor.dims)
    given = max(len(tensor.raw_data) // kind.itemsize, len(tensor.float_data), len(tensor.int64_data))
    if min(tensor.dims, default=1) < 0 or size != given:
        raise CheckpointError(f"its tensor {tensor.name} of shape {tuple(tensor.dims)} has {given} numbers")
    value = np.array(numpy_helper.to_array(tensor))
    if not np.isfinite(value).all():
        raise CheckpointError(f"its tensor {tensor.name} is not finite")
    return value


def _structure(graph: Any, tensors: dict[str, np.ndarray]) -> Iterator[str]:
    """Yield a line per node that describes it, without names, weights and their shapes."""
    # What stands for each value: the inputs, the outputs by the number of their node, constants by content.
    known = {value.name: f"input {place}" for place, value in enumerate(graph.input)}
    for name, value in tensors.items():
        known[name] = f"{value.dtype}{value.tolist()}" if _is_constant(value) else f"weight {value.ndim}"
    number = 0
    for node in graph.node:
        inputs = [known.get(name, "") for name in node.input]
        if node.op_type == "Identity":
            known[node.output[0]] = inputs[0]
            continue
        number += 1
        known |= {name: f"{number}.{place}" for place, name in enumerate(node.output)}
        attributes = sorted(_attribute(attribute) for attribute in node.attribute)
        yield f"{number} {node.op_type} {inputs} {attributes}"
    yield f"{[known.get(value.name, '') for value in graph.output]}"


def _attribute(attribute: Any) -> str:
    """Return the name and the value of an attribute."""
    from onnx import TensorProto, helper

    value = helper.get_attribute_value(attribute)
    return f"{attribute.name}={_array(value).tolist() if isinstance(value, TensorProto) else value}"
