"""Run the exported model with OpenCV: python example.py IMAGE. Needs OpenCV 5."""

import json
import sys
from pathlib import Path

import cv2

folder = Path(__file__).parent
metadata = json.loads((folder / "model.json").read_text(encoding="utf-8"))
image = cv2.imread(sys.argv[1])
height, width = image.shape[:2]
rules, decoding = metadata["preprocessing"], metadata["postprocessing"]
if metadata["output"]["kind"] == "regions":
    model = cv2.dnn.TextDetectionModel_DB(str(folder / "model.onnx"))
    model.setBinaryThreshold(decoding["binarize_threshold"])
    model.setPolygonThreshold(decoding["box_threshold"])
    model.setMaxCandidates(decoding["max_candidates"])
    model.setUnclipRatio(decoding["unclip_ratio"] or 2.0)
    sides = {"short": min(height, width), "long": max(height, width), "width": width}
    scale = min(
        rules["size"] / sides.get(rules["side"], rules["size"]), rules["max_side"] / max(height, width)
    )
    size = [max(32, round(side * scale / 32) * 32) for side in (width, height)]
    model.setInputParams(1.0, size, (0, 0, 0), True)
    for box in model.detect(image)[0]:
        print(box.tolist())
else:
    model = cv2.dnn.TextRecognitionModel(str(folder / "model.onnx"))
    model.setDecodeType("CTC-greedy")
    model.setVocabulary(list(metadata["charset"]))
    columns = round(width * rules["height"] / height)
    columns = min(max(columns, rules["min_width"]), rules["max_width"])
    model.setInputParams(1.0, (columns, rules["height"]), (0, 0, 0), True)
    print(model.recognize(image))
