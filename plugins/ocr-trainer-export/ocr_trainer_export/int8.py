"""Quantize weights and activations to 8 bits: static, per channel, as QDQ nodes."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import numpy as np
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from ocr_trainer.errors import ExportError
from ocr_trainer.exporting.exporter import Subject
from ocr_trainer.exporting.gate import Verdict
from ocr_trainer.plugin.contract import describe_exception
from ocr_trainer_export.graph import Session

LOGGER = logging.getLogger(quant_pre_process.__module__)
COST_LIMIT = 0.005
"""Largest loss of a score that is allowed."""
TIMED = 3
"""Number of timed runs; the shortest one counts."""


class Batches(CalibrationDataReader):  # type: ignore[misc]
    """Batches to calibrate on: inputs by name."""

    def __init__(self, batches: Sequence[dict[str, np.ndarray]]) -> None:
        self.remaining: Iterator[dict[str, np.ndarray]] = iter(batches)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next batch, or None."""
        return next(self.remaining, None)


def quantize(path: Path, out: Path, batches: Sequence[dict[str, np.ndarray]]) -> None:
    """Write a quantized copy of an ONNX file.

    Args:
        path: The file.
        out: The copy.
        batches: Inputs by name, to calibrate the ranges of activations on.

    Raises:
        ExportError: The file cannot be quantized, as on a full disk.
    """
    try:
        with silent(), tempfile.TemporaryDirectory() as folder:
            _quantize(path, Path(folder) / "prepared.onnx", out, batches)
    except Exception as error:
        # On a full disk, the libraries read half of a file, and raise types of their own.
        reason = (error.strerror if isinstance(error, OSError) else None) or describe_exception(error)
        raise ExportError(
            f"the export cannot be quantized: {reason}\n"
            f"  free space in {tempfile.gettempdir()} and for the export, or leave out exporter.int8"
        ) from error


@contextmanager
def silent() -> Iterator[None]:
    """Keep onnxruntime from logging tracebacks of errors, whose consequences it raises, too."""
    disabled, LOGGER.disabled = LOGGER.disabled, True
    try:
        yield
    finally:
        LOGGER.disabled = disabled


def _quantize(path: Path, prepared: Path, out: Path, batches: Sequence[dict[str, np.ndarray]]) -> None:
    quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
    quantize_static(
        str(prepared),
        str(out),
        Batches(batches),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        weight_type=QuantType.QInt8,
        activation_type=QuantType.QUInt8,
        # Convolutions do almost all of the work; quantizing other operators would only cost accuracy.
        op_types_to_quantize=["Conv"],
    )


def seconds(path: Path, batches: Sequence[dict[str, np.ndarray]]) -> float:
    """Return the shortest time that a file takes for batches, in seconds."""
    session, times = Session(path), []
    for _ in range(TIMED):
        start = perf_counter()
        for batch in batches:
            session(**batch)
        times.append(perf_counter() - start)
    return min(times)


def cost(subject: Subject, verdict: Verdict) -> float:
    """Return the largest loss of a score between a checkpoint and an export, at any size."""
    sign = 1 if subject.reads else -1  # an error rate is better if it is lower
    losses = [
        sign * (row.export[name] - value) for row in verdict.rows for name, value in row.checkpoint.items()
    ]
    return max(losses, default=float("inf"))


def why_not(loss: float, before: float, after: float) -> str | None:
    """Return why a quantized file is not worth keeping, or None."""
    if not loss <= COST_LIMIT:
        return f"it costs {100 * loss:.1f} points, more than {100 * COST_LIMIT:g}"
    if not after < before:
        return f"it is not faster: {after:.2f} s instead of {before:.2f} s for the same images"
    return None
