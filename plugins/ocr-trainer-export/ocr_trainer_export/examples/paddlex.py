"""Run the exported model with PaddleX: python example.py IMAGE. Needs paddlex[ocr-core], onnxruntime."""

import json
import sys
from pathlib import Path

from paddlex import create_model

folder = Path(__file__).parent
limits = json.loads((folder / "params.json").read_text(encoding="utf-8"))
# PaddleX knows models by name; what it does follows from inference.yml.
name = "PP-OCRv6_small_det" if limits else "PP-OCRv6_small_rec"
model = create_model(model_name=name, model_dir=str(folder), engine="onnxruntime", device="cpu", **limits)
for found in model.predict(sys.argv[1]):
    for line in found["dt_polys"].tolist() if limits else [found["rec_text"]]:
        print(line)
