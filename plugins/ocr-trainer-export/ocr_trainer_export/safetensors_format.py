"""The exporter `safetensors`: weights without pickle, and the configuration as JSON."""

from __future__ import annotations

import json
import shutil
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save

from ocr_trainer.config.compose import compose
from ocr_trainer.config.context import run_context
from ocr_trainer.config.schema import plain
from ocr_trainer.engine.build import build_model
from ocr_trainer.exporting.exporter import Engine, Exporter, Subject
from ocr_trainer.exporting.metadata import KEY, dump
from ocr_trainer_export.onnx_format import EXAMPLES

WEIGHTS, CONFIG = "model.safetensors", "config.json"


class SafetensorsExporter(Exporter):
    """Writes all weights, those for training, too, and what rebuilds the model."""

    def write(self, subject: Subject, folder: Path) -> None:
        """Write `model.safetensors`, `config.json` and `example.py`."""
        # Copies: safetensors refuses tensors that share memory, or are not contiguous.
        weights = {name: value.contiguous().clone() for name, value in subject.model.state_dict().items()}
        # Written by Python: on a full disk, the library raises a type of its own.
        (folder / WEIGHTS).write_bytes(save(weights, {KEY: dump(subject.metadata)}))
        config = plain(subject.run)
        kept = {key: config[key] for key in ("model", "charset", "tiles") if key in config}
        content = {"ocr_trainer": subject.metadata, "config": kept}
        text = json.dumps(content, indent=2, ensure_ascii=False)
        (folder / CONFIG).write_text(text + "\n", encoding="utf-8")
        shutil.copyfile(EXAMPLES / "safetensors.py", folder / "example.py")

    def open(self, subject: Subject, folder: Path) -> Engine:
        """Return the model, built again from the files."""
        return RebuiltEngine(subject, folder)


class RebuiltEngine(Engine):
    """A model that is built only from the files."""

    title = f"safetensors {version('safetensors')} and torch {torch.__version__}"

    def __init__(self, subject: Subject, folder: Path) -> None:
        saved = json.loads((folder / CONFIG).read_text(encoding="utf-8"))["config"]
        run = compose(["logger=[]"], saved, without_data=True)
        self.model = build_model(run, run_context(run, folder))
        self.model.load_state_dict(load_file(folder / WEIGHTS))
        self.model.eval()

    def outputs(self, images: np.ndarray, widths: np.ndarray | None) -> dict[str, np.ndarray]:
        """Run the model."""
        given = [torch.from_numpy(images), *([] if widths is None else [torch.from_numpy(widths)])]
        with torch.inference_mode():
            return {name: value.numpy() for name, value in self.model(*given).items()}
