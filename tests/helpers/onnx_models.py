"""Small real models: one finds ink, the other reads how dark each column is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

DETECTOR: dict[str, Any] = {
    "format": 1,
    "model": "ink",
    "input": {"stride": 32},
    "output": {"kind": "regions"},
    "preprocessing": {"side": "none", "size": 64, "max_side": 2048},
    "postprocessing": {
        **{"shape": "quad", "binarize_threshold": 0.5, "box_threshold": 0.1, "max_candidates": 100},
        **{"min_side": 2.0, "shrink_ratio": 0.4, "unclip": "ratio", "unclip_ratio": 0.01},
    },
    "tiles": {"enabled": True, "aspect": 3.0, "overlap": 0.25},
    "least_height": None,
}
RECOGNIZER: dict[str, Any] = {
    "format": 1,
    "model": "shade",
    "input": {"stride": 4},
    "output": {"kind": "ctc"},
    "preprocessing": {"height": 8, "min_width": 8, "max_width": 256},
    "postprocessing": {"beam": 1},
    "charset": "ab",
    "margins": [0.0],
}


def write(path: Path, graph: Any, metadata: Any) -> Path:
    """Write a graph with metadata as `model.onnx` in a folder."""
    path.mkdir(parents=True, exist_ok=True)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    text = metadata if isinstance(metadata, str) else json.dumps(metadata)
    helper.set_model_props(model, {"ocr_trainer": text})
    onnx.checker.check_model(model)
    onnx.save(model, str(path / "model.onnx"))
    return path


def detector(path: Path, metadata: Any = DETECTOR) -> Path:
    """Write a detector whose probability is how dark a pixel is; padding, which is black, is cut off."""
    nodes = [
        helper.make_node("Cast", ["images"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["x"], ["gray"], axes=[1], keepdims=0),
        helper.make_node("Div", ["gray", "white"], ["light"]),
        helper.make_node("Sub", ["one", "light"], ["probabilities"]),
    ]
    constants = [
        helper.make_tensor(n, TensorProto.FLOAT, [], [v]) for n, v in (("white", 255.0), ("one", 1.0))
    ]
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["b", 3, "h", "w"])
    maps = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["b", "h", "w"])
    return write(path, helper.make_graph(nodes, "ink", [images], [maps], constants), metadata)


def recognizer(path: Path, metadata: Any = RECOGNIZER) -> Path:
    """Write a recognizer of a step per column: light is the blank, gray is `a` and dark is `b`."""
    nodes = [
        helper.make_node("Cast", ["images"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["x"], ["column"], axes=[1, 2], keepdims=0),
        helper.make_node("Unsqueeze", ["column", "last"], ["shade"]),
        helper.make_node("Sub", ["shade", "centers"], ["off"]),
        helper.make_node("Abs", ["off"], ["distance"]),
        helper.make_node("Neg", ["distance"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1),
        helper.make_node("Identity", ["widths"], ["steps"]),
    ]
    constants = [
        helper.make_tensor("last", TensorProto.INT64, [1], [2]),
        helper.make_tensor("centers", TensorProto.FLOAT, [3], [255.0, 100.0, 0.0]),
    ]
    inputs = [
        helper.make_tensor_value_info("images", TensorProto.UINT8, ["b", 3, 8, "w"]),
        helper.make_tensor_value_info("widths", TensorProto.INT64, ["b"]),
    ]
    outputs = [
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["b", "t", 3]),
        helper.make_tensor_value_info("steps", TensorProto.INT64, ["b"]),
    ]
    return write(path, helper.make_graph(nodes, "shade", inputs, outputs, constants), metadata)
