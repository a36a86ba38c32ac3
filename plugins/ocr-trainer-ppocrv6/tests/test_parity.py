"""The networks against onnxruntime on real images, with the weights that the wheel of RapidOCR has."""

import os
from importlib import metadata
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from ocr_trainer_ppocrv6.detector import PPOCRv6Detector
from ocr_trainer_ppocrv6.plugin import PPOCRv6DetConfig, PPOCRv6RecConfig
from ocr_trainer_ppocrv6.recognizer import PPOCRv6Recognizer, initial_charset

from ocr_trainer.plugin import Context, Task
from ocr_trainer.tasks.detection.data import pad
from ocr_trainer.tasks.recognition.data import prepare
from ocr_trainer_runtime.detection.fit import fit
from ocr_trainer_runtime.recognition.fit import fit as fit_line
from ocr_trainer_runtime.recognition.rectify import cut

DATA = Path(os.environ.get("OCR_TRAINER_DATA", Path(__file__).parents[4] / "shared" / "data"))
onnxruntime = pytest.importorskip("onnxruntime")
if find_spec("rapidocr") is None:
    pytest.skip("the wheel rapidocr is not installed", allow_module_level=True)
MAP_TOLERANCE = 1e-3
"""Limit of the difference of a pixel's probability of text; on all 50 pages, the greatest is 4.2e-4.

Most of it is onnxruntime's: on the first six pages, it is up to 9e-5 away from the same network in float64, and
ours up to 2.3e-5."""
TOLERANCE = 1e-3
"""Limit of the difference of a character's probability; on all 500 lines, the greatest is 3.7e-4."""

pytestmark = [
    pytest.mark.skipif(not DATA.exists(), reason="the shared data is missing (set OCR_TRAINER_DATA)"),
    # SWIG's types, which onnxruntime's import creates.
    pytest.mark.filterwarnings("ignore:builtin type:DeprecationWarning"),
]


def session(name):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    path = metadata.distribution("rapidocr").locate_file(f"rapidocr/models/{name}")
    return onnxruntime.InferenceSession(str(path), options)


def theirs(image):
    """Normalize an image as RapidOCR does: BGR, (v / 255 - 0.5) / 0.5, (1, 3, height, width)."""
    return ((image[:, :, ::-1].astype(np.float32) / 255 - 0.5) / 0.5).transpose(2, 0, 1)[None]


def read(path):
    return np.ascontiguousarray(cv2.imread(str(path))[:, :, ::-1])


def pages(count):
    """Return the paths of a receipt, Chinese advertisements, photographs of streets and more receipts."""
    receipts = [DATA / f"receipts_sroie2019/img/{name}.jpg" for name in names("receipts_sroie2019")]
    streets = sorted((DATA / "scene_icdar2015/images").glob("*.jpg"))[:15]
    web = sorted((DATA / "web_mtwi_chinese").glob("*.jpg"))
    return [*receipts[:1], *web, *streets, *receipts[1:]][:count]


def names(folder):
    return (DATA / folder / "val.txt").read_text().split()


def lines(count):
    """Return images of lines, a quarter each of Fraktur, words on signs, Chinese and receipts."""
    web, receipts = DATA / "web_mtwi_chinese", DATA / "receipts_sroie2019"
    labeled = [(path, path.with_suffix(".txt")) for path in sorted(web.glob("*.jpg"))]
    scanned = [(receipts / f"img/{n}.jpg", receipts / f"box/{n}.csv") for n in names("receipts_sroie2019")]
    sources = (
        map(read, sorted((DATA / "lines_ocrd_fraktur").glob("*.tif"))),
        map(read, sorted((DATA / "words_icdar2015").glob("*.png"))),
        (crop for pair in labeled for crop in crops(*pair)),
        (crop for pair in scanned for crop in crops(*pair)),
    )
    return [image for source in sources for image in islice(source, count // 4)]


def crops(image, labels):
    pixels, found = read(image), []
    for row in labels.read_text(encoding="utf-8-sig", errors="replace").splitlines():
        points = np.array(row.split(",", 8)[:8], dtype=np.float32).reshape(-1, 2)
        try:
            found.append(cut(pixels, points, 0.0, ordered=False))
        except ValueError:  # nothing is left of it
            continue
    return found


@pytest.mark.parametrize("count", [2, pytest.param(50, marks=pytest.mark.slow)])
def test_probability_maps_and_boxes_are_those_of_onnxruntime(count):
    model = PPOCRv6Detector(PPOCRv6DetConfig(weights="rapidocr"), Context(task=Task.detection)).eval()
    network = session("PP-OCRv6_det_small.onnx")
    greatest, boxes = 0.0, 0
    for path in pages(count):
        image = fit(read(path), model)[0]
        padded = pad([image], model.stride)
        with torch.inference_mode():
            own = model(padded)
        (maps,) = network.run(None, {"x": theirs(padded[0].permute(1, 2, 0).numpy())})
        greatest = max(greatest, np.abs(own["probability"].numpy() - maps[:, 0]).max().item())
        size = [image.shape[:2]]
        (found,), (wanted,) = (
            model.decode(own, size),
            model.decode({"probability": torch.from_numpy(maps)}, size),
        )
        boxes += len(wanted.polygons)
        assert len(found.polygons) == len(wanted.polygons), path
        assert all(map(np.array_equal, found.polygons, wanted.polygons)), path
        np.testing.assert_allclose(found.scores, wanted.scores, atol=MAP_TOLERANCE)
    print(f"{count} pages, {boxes} boxes: greatest difference {greatest:.1e}")
    assert boxes > 5 * count
    assert greatest < MAP_TOLERANCE


@pytest.mark.parametrize("count", [20, pytest.param(500, marks=pytest.mark.slow)])
def test_probabilities_and_texts_are_those_of_onnxruntime(count):
    config = PPOCRv6RecConfig(weights="rapidocr")
    model = PPOCRv6Recognizer(config, Context(task=Task.recognition, charset=initial_charset(config))).eval()
    network = session("PP-OCRv6_rec_small.onnx")
    metadata = network.get_modelmeta().custom_metadata_map
    characters = [*metadata["character"].split("\n"), " "]
    # Where the classes of the charset, which is sorted, are among those of the file.
    place = {character: number for number, character in enumerate(characters, start=1)}
    classes = np.array([0, *(place[character] for character in model.charset)])
    images, greatest, read_characters = lines(count), 0.0, 0
    for start in range(0, count, 10):
        some = images[start : start + 10]
        with torch.inference_mode():
            outputs = model(*prepare(some, model))
        own = outputs["logits"].softmax(-1).numpy()
        for image, found, probabilities in zip(some, model.decode(outputs), own, strict=True):
            line = theirs(fit_line(image, model))
            line = np.pad(line, [(0, 0)] * 3 + [(0, max(0, 320 - line.shape[3]))])
            ((wanted,),) = network.run(None, {"x": line})
            difference = np.abs(probabilities[: len(wanted)] - wanted[:, classes]).max().item()
            greatest = max(greatest, difference)
            best = wanted.argmax(1)
            path = best[np.diff(best, prepend=0) != 0]
            text = "".join(characters[key - 1] for key in path if key)
            read_characters += len(text)
            assert found.text == text
    print(f"{count} lines, {read_characters} characters: greatest difference {greatest:.1e}")
    assert read_characters > 5 * count
    assert greatest < TOLERANCE
