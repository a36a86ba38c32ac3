"""Find the published weights: in the installed wheel of RapidOCR, which is not imported, or in a file."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from ocr_trainer.errors import CheckpointError
from ocr_trainer_ppocrv6.onnx_file import OnnxNetwork, read_onnx
from ocr_trainer_ppocrv6.plugin import WHEEL, Size

log = logging.getLogger("ocr_trainer")

VERSION = "3.10."
"""The beginning of the versions of the wheel whose files are known."""
INSTALL = "pip install 'ocr-trainer-ppocrv6[rapidocr]'"
LICENSE = "MODEL_LICENSES.md"
"""The file of the wheel that states the license of the weights."""


@dataclass(frozen=True)
class Published:
    """A file of published weights."""

    name: str
    """Name of the file in the wheel."""
    sha256: str
    """SHA-256 of the file in the wheel."""
    structure: str
    """The `OnnxNetwork.structure` of files with this network."""


DETECTORS = {
    Size.small: Published(
        name="PP-OCRv6_det_small.onnx",
        sha256="090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
        structure="2ccdd6d4d3706db596047248128a5249306e94eac5baa5f1e3ac733c4b318819",
    )
}
RECOGNIZERS = {
    Size.small: Published(
        name="PP-OCRv6_rec_small.onnx",
        sha256="6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
        structure="a3db5e30eb9bfc6a23596aa5110dadd9a437456ced2114ced8523c4261b32fc6",
    )
}


def read_published(weights: str, published: Published) -> OnnxNetwork:
    """Read published weights.

    Args:
        weights: `rapidocr` for those in the installed wheel, or the path of a file.
        published: The description of the file.

    Raises:
        CheckpointError: The wheel is missing, of another version or changed, or the file cannot be read.
    """
    return read_onnx(_in_wheel(published) if weights == WHEEL else Path(weights))


@contextmanager
def naming(weights: str) -> Iterator[None]:
    """Name the option `model.weights` in the message of a CheckpointError."""
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(f"model.weights={weights} cannot be used: {error}") from error


def _in_wheel(published: Published) -> Path:
    try:
        wheel = metadata.distribution(WHEEL)
    except metadata.PackageNotFoundError as error:
        raise CheckpointError(f"the wheel {WHEEL} is not installed\n  {INSTALL}") from error
    if not wheel.version.startswith(VERSION):
        raise CheckpointError(f"the wheel {WHEEL} {wheel.version} is installed, not {VERSION}*\n  {INSTALL}")
    path = Path(str(wheel.locate_file(f"{WHEEL}/models/{published.name}")))
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}\n  reinstall {WHEEL}") from error
    if found != published.sha256:
        raise CheckpointError(f"{path} is not the file that was published: its SHA-256 is {found}")
    files = [file for file in wheel.files or () if file.name == LICENSE]
    _show_license(wheel.version, str(files[0].locate()) if files else "in its metadata")
    return path


@cache
def _show_license(version: str, place: str) -> None:
    """Log once where the license of the weights is stated."""
    log.info("model.weights: PP-OCRv6 from %s %s; license: %s", WHEEL, version, place)
