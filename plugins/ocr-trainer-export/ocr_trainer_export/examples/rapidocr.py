"""Run the exported model with RapidOCR: python example.py IMAGE. Needs `pip install rapidocr onnxruntime`."""

import json
import sys
from pathlib import Path

from rapidocr import RapidOCR

folder = Path(__file__).parent
params = json.loads((folder / "params.json").read_text(encoding="utf-8"))
finds = any(name.startswith("Det.") for name in params)
params |= {"Det.model_path" if finds else "Rec.model_path": str(folder / "model.onnx")}
# To find and read texts, give both models in one dictionary.
engine = RapidOCR(params={**params, "Global.log_level": "critical", "Global.text_score": 0})
result = engine(sys.argv[1], use_det=finds, use_cls=False, use_rec=not finds)
for line in (result.boxes.tolist() if result.boxes is not None else []) if finds else result.txts or []:
    print(line)
