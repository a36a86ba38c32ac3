"""The exporter `opencv`: float RGB, 0 to 255, one image at a time. OpenCV 5's dnn, tested.

A detector returns one map, (height, width): `TextDetectionModel_DB` raises at four axes. A recognizer returns
(steps, 1, classes): at other shapes, `TextRecognitionModel` returns '' without a message.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx

from ocr_trainer.data.types import Detections, Image
from ocr_trainer.exporting.exporter import Engine, Exporter, Subject
from ocr_trainer.exporting.metadata import KEY, dump
from ocr_trainer_export.characters import why_not_ctc
from ocr_trainer_export.graph import Graph, write_onnx
from ocr_trainer_export.onnx_format import EXAMPLES, MODEL, example_images, logarithms
from ocr_trainer_export.wrappers import Line, Maps, Pixels

METADATA = "model.json"
"""The file of the metadata: OpenCV cannot read the metadata in the ONNX file."""


class OpenCvExporter(Exporter):
    """Writes a model for OpenCV's text models."""

    def refusal(self, subject: Subject) -> str | None:
        """Refuse recognizers that OpenCV cannot decode."""
        return why_not_ctc(subject, "OpenCV") if subject.reads else None

    def write(self, subject: Subject, folder: Path) -> None:
        """Write `model.onnx`, `model.json` and `example.py`."""
        write_onnx(self.graph(subject), folder / MODEL, {KEY: dump(subject.metadata)})
        multiply_by_scalars(folder / MODEL)
        (folder / METADATA).write_text(dump(subject.metadata) + "\n", encoding="utf-8")
        shutil.copyfile(EXAMPLES / "opencv.py", folder / "example.py")

    def pixels(self) -> Pixels:
        """Return what undoes OpenCV's normalization: none, by the parameters of the example."""
        return Pixels(mean=(0.0, 0.0, 0.0), std=(1 / 255, 1 / 255, 1 / 255))

    def graph(self, subject: Subject) -> Graph:
        """Return the module to trace."""
        x = example_images(subject, 1).float()
        if not subject.reads:
            free = {0: "height", 1: "width"}
            maps = Maps(subject, self.pixels(), squeeze=True)
            return Graph(maps, {"x": x}, ["map"], {"x": {2: "height", 3: "width"}, "map": free})
        order = list(range(len(subject.charset) + 1))
        axes = {"x": {3: "width"}, "probabilities": {0: "steps"}}
        return Graph(Line(subject, self.pixels(), order), {"x": x}, ["probabilities"], axes)

    def open(self, subject: Subject, folder: Path) -> Engine:
        """Return OpenCV with the model."""
        return OpenCvEngine(subject, folder / MODEL)


def set_thresholds(model: Any, options: Mapping[str, Any]) -> None:
    """Give a `TextDetectionModel_DB` the thresholds of a detector."""
    model.setBinaryThreshold(options["binarize_threshold"])
    model.setPolygonThreshold(options["box_threshold"])
    model.setMaxCandidates(options["max_candidates"])
    if options.get("unclip_ratio"):
        model.setUnclipRatio(options["unclip_ratio"])


def multiply_by_scalars(path: Path) -> None:
    """Replace convolutions with a single weight by products: OpenCV treats it as a scalar and fails."""
    model = onnx.load(str(path))
    single = {entry.name: entry for entry in model.graph.initializer if math.prod(entry.dims) == 1}
    for node in model.graph.node:
        if node.op_type == "Conv" and len(node.input) == 2 and node.input[1] in single:
            node.op_type = "Mul"
            del node.attribute[:]
    onnx.save(model, str(path))


class OpenCvEngine(Engine):
    """OpenCV's dnn with one exported model."""

    batches = (1,)
    title = f"OpenCV {cv2.__version__}"

    def __init__(self, subject: Subject, path: Path) -> None:
        self.subject = subject
        self.model: Any
        if subject.reads:
            self.model = cv2.dnn.TextRecognitionModel(str(path))
            self.model.setDecodeType("CTC-greedy")
            self.model.setVocabulary(list(subject.charset))
        else:
            self.model = cv2.dnn.TextDetectionModel_DB(str(path))
            options = subject.exportable.postprocessing
            if "binarize_threshold" in options:
                set_thresholds(self.model, options)

    def _set(self, image: Image) -> np.ndarray:
        """Set the size to that of an image, and return it in BGR."""
        self.model.setInputParams(1.0, (image.shape[1], image.shape[0]), (0, 0, 0), True)
        return cv2.cvtColor(image, cv2.COLOR_RGB2BGR)

    def outputs(self, images: np.ndarray, widths: np.ndarray | None) -> dict[str, np.ndarray]:
        """Run the network on one image, without padding."""
        image = np.ascontiguousarray(images[0].transpose(1, 2, 0))
        if widths is not None:
            image = np.ascontiguousarray(image[:, : int(widths[0])])
        found = np.asarray(self.model.predict(self._set(image))[0])
        name = self.subject.exportable.output
        if widths is None:
            return {name: found[None]}
        logits = logarithms(found.transpose(1, 0, 2))
        return {name: logits, "steps": np.full(1, logits.shape[1])}

    def read(self, images: Sequence[Image]) -> list[str]:
        """Return the texts of OpenCV's recognizer."""
        return [str(self.model.recognize(self._set(image))) for image in images]

    def find(self, image: Image) -> Detections:
        """Return the regions of OpenCV's detector."""
        found, confidences = self.model.detect(self._set(image))
        boxes = [np.asarray(box, np.float32).reshape(-1, 2) for box in found]
        return Detections(boxes, np.asarray(confidences, np.float32).reshape(-1))
