"""Run the exported model on an image: python example.py IMAGE. Needs onnxruntime, NumPy and OpenCV."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

folder = Path(__file__).parent
session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
metadata = json.loads(session.get_modelmeta().custom_metadata_map["ocr_trainer"])
image = cv2.cvtColor(cv2.imread(sys.argv[1]), cv2.COLOR_BGR2RGB)
height, width = image.shape[:2]
stride, rules, decoding = metadata["input"]["stride"], metadata["preprocessing"], metadata["postprocessing"]


def padded(image, height, width):
    """Resize an image, and pad it to the model's stride."""
    shrinks = height * width < image.shape[0] * image.shape[1]
    image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    bottom = -height % stride if metadata["output"]["kind"] == "regions" else 0
    return np.pad(image, ((0, bottom), (0, -width % stride), (0, 0))).transpose(2, 0, 1)[None]


if metadata["output"]["kind"] == "regions":
    sides = {"short": min(height, width), "long": max(height, width), "width": width}
    sides["at_least"] = min(rules["size"], min(height, width))
    scale = min(
        rules["size"] / sides.get(rules["side"], rules["size"]), rules["max_side"] / max(height, width)
    )
    size = max(1, round(height * scale)), max(1, round(width * scale))
    (map_,) = session.run(["probabilities"], {"images": padded(image, *size)})[0]
    binary = (map_[: size[0], : size[1]] > decoding["binarize_threshold"]).astype(np.uint8)
    for contour in cv2.findContours(binary, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]:
        # The kernel of a text. Grow it by area x unclip_ratio / perimeter for the outline.
        print(cv2.boundingRect((contour / scale).round().astype(np.int32)))
else:
    rows = rules["height"]
    columns = rules.get("width", 0)
    if not columns or rules.get("keep_ratio"):
        least, most = rules.get("min_width", stride), rules.get("max_width", columns)
        columns = min(max(round(width * rows / height), least), most)
    inputs = {"images": padded(image, rows, columns), "widths": np.array([columns])}
    known = {entry.name for entry in session.get_inputs()}
    outputs = session.run(None, {name: value for name, value in inputs.items() if name in known})
    best = outputs[0][0].argmax(-1).tolist()
    if metadata["output"]["kind"] == "ctc":
        best = best[: int(outputs[1][0])]
        best = [one for one, before in zip(best, [0, *best], strict=False) if one not in (0, before)]
    else:
        best = best[: best.index(0)] if 0 in best else best[:-1]
    print("".join(metadata["charset"][code - 1] for code in best))
