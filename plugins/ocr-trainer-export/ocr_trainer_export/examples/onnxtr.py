"""Run the exported model with OnnxTR: python example.py IMAGE. Needs `pip install "onnxtr[cpu-headless]"`."""

import json
import sys
from pathlib import Path

from onnxtr.io import DocumentFile
from onnxtr.models import crnn_vgg16_bn, db_resnet50, detection_predictor, parseq, recognition_predictor

folder = Path(__file__).parent
metadata = json.loads((folder / "model.json").read_text(encoding="utf-8"))
model, pages = str(folder / "model.onnx"), DocumentFile.from_images([sys.argv[1]])
if metadata["output"]["kind"] == "regions":
    decoding = metadata["postprocessing"]
    thresholds = {"bin_thresh": decoding["binarize_threshold"], "box_thresh": decoding["box_threshold"]}
    finder = detection_predictor(db_resnet50(model, **thresholds), symmetric_pad=False)
    for box in finder(pages)[0]:
        print(box.tolist())
else:
    build = crnn_vgg16_bn if metadata["output"]["kind"] == "ctc" else parseq
    print(recognition_predictor(build(model, vocab=metadata["charset"]))(pages)[0][0])
