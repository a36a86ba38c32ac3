"""The augmentation of each task gives the same pixels, polygons and draws for the same seed, bit for bit.

`golden_augment.json` holds hashes of what the code of 0.1.0 gave. OpenCV's versions differ in the last bit of
a warped pixel, so the hashes hold for one version of it.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from ocr_trainer.data.types import Sample, TextImage
from ocr_trainer.tasks.detection.augment import Augmenter
from ocr_trainer.tasks.detection.config import AugmentConfig
from ocr_trainer.tasks.recognition.augment import TextAugmenter
from ocr_trainer.tasks.recognition.config import AugmentConfig as TextAugmentConfig

PRESETS = Path(__file__).parents[2] / "configs" / "augment"
GOLDEN = json.loads(Path(__file__).with_name("golden_augment.json").read_text())
ENVIRONMENT = [cv2.__version__, np.__version__, platform.machine()]
SEEDS = range(6)

DETECTION: dict[str, dict[str, Any]] = {
    "none": {},
    "light": {},
    "authors": {"crop": 320},
    "strong": {"crop": 320},
    "strong whole": {"crop": 320, "whole_text": True, "scale": [0.2, 3.0], "text_share": 0.5},
    "none turned": {"rotate": 180.0, "flip": 0.5, "crop": 256, "scale": [0.3, 0.6], "perspective": 0.2},
}
RECOGNITION: dict[str, dict[str, Any]] = {
    "none": {},
    "light": {},
    "parseq": {},
    "strong": {},
    "strong inverted": {"invert": 1.0, "erode": 1.0, "dilate": 1.0, "motion": 1.0, "gray": 1.0},
}


def page(seed: int) -> Sample:
    """A page of flat squares with a few dark texts, one of which may lie outside; every third has none."""
    rng = np.random.default_rng(seed)
    height, width = (int(side) for side in rng.integers(200, 1100, size=2))
    squares = rng.integers(90, 256, (height // 16 + 1, width // 16 + 1, 3), dtype=np.uint8)
    image = cv2.resize(squares, (width, height), interpolation=cv2.INTER_NEAREST)
    texts = 0 if seed % 3 == 2 else 7
    corners = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    centers = rng.uniform(-20, [[width + 20, height + 20]], size=(texts, 2))
    sizes = rng.uniform([20, 10], [width / 3, height / 8], size=(texts, 1, 2))
    polygons = [polygon.astype(np.float32) for polygon in centers[:, None] + corners * sizes]
    for place, polygon in enumerate(polygons):
        cv2.fillPoly(image, [np.rint(polygon).astype(np.int32)], (10 * place, 30, 60))
    return Sample(image, polygons, [f"text {i}" for i in range(texts)], np.arange(texts) % 4 == 3, "golden")


def word(seed: int) -> np.ndarray:
    """A crop with a dark word on flat squares, sometimes taller than what a model sees."""
    rng = np.random.default_rng(seed)
    height, width = int(rng.integers(20, 200)), int(rng.integers(30, 600))
    squares = rng.integers(150, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
    image = cv2.resize(squares, (width, height), interpolation=cv2.INTER_NEAREST)
    return cv2.putText(
        image, "golden", (4, height - 6), cv2.FONT_HERSHEY_SIMPLEX, height / 40, (20, 40, 60), 2
    )


def digest(rng: np.random.Generator, *values: Any) -> str:
    """Hash of arrays and strings, and of the next draw: nothing more and nothing less was drawn."""
    whole = hashlib.sha256()
    for value in (*values, rng.random()):
        array = np.asarray(value)
        whole.update(f"{array.dtype} {array.shape}".encode() + array.tobytes())
    return whole.hexdigest()[:16]


def options(task: str, name: str, changes: dict[str, Any]) -> dict[str, Any]:
    preset = yaml.safe_load((PRESETS / task / f"{name.split()[0]}.yaml").read_text())
    return {**preset, **changes}


def detection(name: str) -> Iterator[str]:
    augment = Augmenter(
        AugmentConfig(**options("detection", name, DETECTION[name])), lambda h, w: 640 / max(h, w)
    )
    for seed in SEEDS:
        rng = np.random.default_rng((seed, 1, 2))
        out = augment(page(seed), rng)
        assert out.image.dtype == np.uint8
        yield digest(rng, out.image, *out.polygons, out.texts, out.ignore, out.source)


def recognition(name: str) -> Iterator[str]:
    augment = TextAugmenter(TextAugmentConfig(**options("recognition", name, RECOGNITION[name])), 32)
    for seed in SEEDS:
        rng = np.random.default_rng((seed, 1, 2))
        yield digest(rng, augment(TextImage(word(seed), "golden", ""), rng).image)


@pytest.mark.skipif(
    GOLDEN["environment"] != ENVIRONMENT, reason="the hashes are of another version of OpenCV"
)
@pytest.mark.parametrize("name", DETECTION)
def test_detection_gives_what_it_gave(name: str):
    assert list(detection(name)) == GOLDEN["detection"][name]


@pytest.mark.skipif(
    GOLDEN["environment"] != ENVIRONMENT, reason="the hashes are of another version of OpenCV"
)
@pytest.mark.parametrize("name", RECOGNITION)
def test_recognition_gives_what_it_gave(name: str):
    assert list(recognition(name)) == GOLDEN["recognition"][name]
