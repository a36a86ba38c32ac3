"""Run the exported model in torch: python example.py IMAGE. Needs ocr-trainer and the plugin of the model."""

import json
import sys
from pathlib import Path

from safetensors.torch import load_file

from ocr_trainer.config.compose import compose
from ocr_trainer.config.context import run_context
from ocr_trainer.engine.build import build_model
from ocr_trainer_runtime.images.read import read_image
from ocr_trainer_runtime.pipeline import detect, recognize

folder = Path(__file__).parent
saved = json.loads((folder / "config.json").read_text(encoding="utf-8"))
run = compose(["logger=[]"], saved["config"], without_data=True)
model = build_model(run, run_context(run, folder))
model.load_state_dict(load_file(folder / "model.safetensors"))
image = read_image(Path(sys.argv[1]))
if saved["ocr_trainer"]["output"]["kind"] == "regions":
    for polygon in detect(model.eval(), image).polygons:
        print(polygon.tolist())
else:
    print(recognize(model.eval(), [image])[0].text)
