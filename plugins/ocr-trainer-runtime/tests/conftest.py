"""Small real models: one finds ink, the other reads how dark each column is."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.onnx_models import detector, recognizer


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A detector and a recognizer."""
    folder = tmp_path_factory.mktemp("exported")
    return detector(folder / "det"), recognizer(folder / "rec")


@pytest.fixture
def page() -> np.ndarray:
    """A page with a bar of each shade that the recognizer tells."""
    image = np.full((200, 300, 3), 255, np.uint8)
    cv2.rectangle(image, (40, 40), (140, 70), (100, 100, 100), -1)
    cv2.rectangle(image, (40, 120), (220, 150), (0, 0, 0), -1)
    return image
