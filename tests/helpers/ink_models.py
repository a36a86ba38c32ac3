"""Exported models that need no training: colored ink is text, and its color says which letter it is.

The detector finds ink and bridges the gaps between letters. The recognizer reads red, green and blue strokes
as a, b and c. An image whose first pixel is black keeps the detector busy for ever, inside onnxruntime.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import onnx
from helpers.onnx_models import write
from onnx import TensorProto, helper, numpy_helper

COLORS = {"a": (255, 0, 0), "b": (0, 255, 0), "c": (0, 0, 255)}
LETTER, GAP, ROW = 16, 8, 30
"""Width and gap of letters, height of rows, in pixels."""
STEP = 4
FOREVER = 2**40


def page(*lines: str, busy: bool = False) -> np.ndarray:
    """Draw lines of words; uint8, (height, width, 3), RGB."""
    image = np.full((40 + 2 * ROW * max(1, len(lines)), 420, 3), 255, np.uint8)
    for row, line in enumerate(lines):
        top, left = 20 + 2 * ROW * row, 20
        for letter in line:
            if letter != " ":
                image[top : top + ROW, left : left + LETTER] = COLORS[letter]
            left += LETTER + GAP if letter != " " else 3 * LETTER
    if busy:
        image[0, 0] = 0
    return image


def encoded(image: np.ndarray, suffix: str = ".png") -> bytes:
    """Return an image as the content of a file."""
    return cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()


def write_models(folder: Path) -> tuple[Path, Path]:
    """Write the folders of a detector and of a recognizer."""
    rules = {"side": "none", "size": 96, "max_side": 2000}
    found = {
        **{"decode": "regions", "shape": "quad", "unclip": "ratio", "unclip_ratio": 0.5},
        **{"binarize_threshold": 0.3, "box_threshold": 0.5, "max_candidates": 1000},
        **{"min_side": 3.0, "shrink_ratio": 0.4},
    }
    detector = _describe("regions", 1, rules, found)
    sizes = {"height": 32, "min_width": STEP, "max_width": 2048}
    text = {"charset": "".join(COLORS), "visual_order": False}
    recognizer = _describe("ctc", STEP, sizes, {"decode": "ctc", "blank": 0, "beam": 1}) | text
    return write(folder / "det", _detector(), detector), write(folder / "rec", _recognizer(), recognizer)


def _describe(kind: str, stride: int, preprocessing: dict, postprocessing: dict) -> dict:
    height = preprocessing.get("height", "height")
    shape = ["batch", 3, height, "width"]
    return {
        "format": 1,
        "model": "ink",
        "config": {},
        "input": {"name": "images", "dtype": "uint8", "color": "RGB", "shape": shape, "stride": stride},
        "output": {"name": "logits", "kind": kind},
        "preprocessing": preprocessing,
        "postprocessing": postprocessing,
        "scores": {},
        "calibration": {},
        "data": {},
        "license": "not stated",
        "versions": {},
    }


def _constants(**values: np.ndarray) -> list[onnx.TensorProto]:
    return [numpy_helper.from_array(value, name) for name, value in values.items()]


def _detector() -> onnx.GraphProto:
    node = helper.make_node
    body = helper.make_graph(
        [node("Identity", ["condition"], ["go"]), node("Sin", ["state"], ["next"])],
        "busy",
        [
            helper.make_tensor_value_info("trip", TensorProto.INT64, []),
            helper.make_tensor_value_info("condition", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, [1]),
        ],
        [
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, [1]),
        ],
    )
    nodes = [
        node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT),
        node("ReduceMin", ["pixels"], ["least"], axes=[1], keepdims=1),
        node("Slice", ["least", "start", "end", "axes"], ["corner"]),
        node("Reshape", ["corner", "one"], ["first"]),
        node("Less", ["first", "dark"], ["black"]),
        node("Cast", ["black"], ["flag"], to=TensorProto.INT64),
        node("Mul", ["flag", "forever"], ["counts"]),
        node("Squeeze", ["counts"], ["count"]),
        node("Loop", ["count", "", "zero"], ["looped"], body=body),
        node("Mul", ["looped", "nothing"], ["silent"]),
        node("Div", ["least", "white"], ["light"]),
        node("Sub", ["unit", "light"], ["ink"]),
        node("MaxPool", ["ink"], ["bridged"], kernel_shape=[3, 13], pads=[1, 6, 1, 6]),
        node("Add", ["bridged", "silent"], ["sum"]),
        node("Squeeze", ["sum", "channel"], ["probabilities"]),
    ]
    constants = _constants(
        start=np.array([0, 0, 0, 0]), end=np.array([1, 1, 1, 1]), axes=np.array([0, 1, 2, 3]),
        one=np.array([1]), dark=np.array([1], np.float32), forever=np.array([FOREVER]),
        zero=np.zeros(1, np.float32), nothing=np.zeros(1, np.float32), white=np.array(255, np.float32),
        unit=np.array(1, np.float32), channel=np.array([1]),
    )  # fmt: skip
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", 3, "h", "w"])
    found = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", "h", "w"])
    return helper.make_graph(nodes, "detector", [images], [found], constants)


def _recognizer() -> onnx.GraphProto:
    node = helper.make_node
    nodes = [
        node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT),
        node("Slice", ["pixels", "top", "bottom", "rows"], ["middle"]),
        node("ReduceMean", ["middle"], ["columns"], axes=[2], keepdims=0),
        node("AveragePool", ["columns"], ["pooled"], kernel_shape=[STEP], strides=[STEP]),
        node("Conv", ["pooled", "weight", "bias"], ["scores"]),
        node("Transpose", ["scores"], ["logits"], perm=[0, 2, 1]),
        node("Softmax", ["logits"], ["probabilities"], axis=-1),
        node("Add", ["widths", "more"], ["wider"]),
        node("Div", ["wider", "step"], ["steps"]),
    ]
    purity = np.vstack([np.zeros(3), 1.5 * np.eye(3) - 0.5])  # of the blank, and of each color
    constants = _constants(
        top=np.array([12]), bottom=np.array([20]), rows=np.array([2]),
        weight=(purity[:, :, None] * 20 / 255).astype(np.float32), bias=np.array([8, 0, 0, 0], np.float32),
        more=np.array([STEP - 1]), step=np.array([STEP]),
    )  # fmt: skip
    inputs = [
        helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", 3, 32, "w"]),
        helper.make_tensor_value_info("widths", TensorProto.INT64, ["n"]),
    ]
    outputs = [
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", "t", 4]),
        helper.make_tensor_value_info("steps", TensorProto.INT64, ["n"]),
    ]
    return helper.make_graph(nodes, "recognizer", inputs, outputs, constants)


def words_of(lines: Sequence[str]) -> list[str]:
    """Return the words of lines, in reading order."""
    return [word for line in lines for word in line.split()]
