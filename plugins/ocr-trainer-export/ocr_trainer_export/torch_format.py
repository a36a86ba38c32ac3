"""The exporter `torch_export`: a program of torch.export in one file, for `torch.export.load`."""

from __future__ import annotations

import shutil
import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.export import Dim

from ocr_trainer.exporting.exporter import Engine, Exporter, Subject
from ocr_trainer.exporting.metadata import KEY, dump
from ocr_trainer_export.onnx_format import EXAMPLES, decodable, example_images, has_steps
from ocr_trainer_export.wrappers import Probabilities

PROGRAM = "model.pt2"


class TorchExporter(Exporter):
    """Writes the network as a graph of torch's operators, with the weights and the metadata."""

    def refusal(self, subject: Subject) -> str | None:
        """Refuse recurrent networks."""
        if any(isinstance(module, nn.RNNBase) for module in subject.exportable.network.modules()):
            return "torch.export fixes the steps of an LSTM at those of the example (pytorch #191855)"
        return None

    def write(self, subject: Subject, folder: Path) -> None:
        """Write `model.pt2` and `example.py`."""
        images = example_images(subject)
        given: tuple[torch.Tensor, ...] = (images,)
        sizes: tuple[dict[int, Any], ...] = ({0: Dim.AUTO, 2: Dim.AUTO, 3: Dim.AUTO},)
        if subject.reads:
            width = images.shape[3]
            given = (images, torch.tensor([width, width - 3]))
            sizes = ({0: Dim.AUTO} if subject.exportable.width else {0: Dim.AUTO, 3: Dim.AUTO}, {0: Dim.AUTO})
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            module = Probabilities(subject.exportable).eval()
            program = torch.export.export(module, given, dynamic_shapes=sizes)
            content = BytesIO()
            torch.export.save(program, content, extra_files={KEY: dump(subject.metadata)})
        # Written by Python: on a full disk, torch's own writer ends the process.
        (folder / PROGRAM).write_bytes(content.getbuffer())
        shutil.copyfile(EXAMPLES / "torch_export.py", folder / "example.py")

    def open(self, subject: Subject, folder: Path) -> Engine:
        """Return torch with the program."""
        return TorchEngine(subject, folder / PROGRAM)


class TorchEngine(Engine):
    """Runs an exported program."""

    title = f"torch.export of torch {torch.__version__}"

    def __init__(self, subject: Subject, path: Path) -> None:
        self.subject = subject
        self.program: Any = torch.export.load(path).module()

    def outputs(self, images: np.ndarray, widths: np.ndarray | None) -> dict[str, np.ndarray]:
        """Return the outputs that `decode` takes."""
        given = [torch.from_numpy(images), *([] if widths is None else [torch.from_numpy(widths)])]
        with torch.no_grad():
            found = self.program(*given)
        names = ["probabilities", *(["steps"] if has_steps(self.subject) else [])]
        return decodable(self.subject, {n: v.numpy() for n, v in zip(names, found, strict=True)})
