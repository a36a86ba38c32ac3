"""The factories of the built-in metrics. Each imports its own metric only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocr_trainer.builtin.metrics.plugin import DetEvalConfig
from ocr_trainer.plugin import Config, Context

if TYPE_CHECKING:
    from ocr_trainer.metrics.base import Metric


def icdar(_config: Config, _context: Context) -> Metric:
    """Return the score of the ICDAR challenges."""
    from ocr_trainer.metrics.detection import Icdar

    return Icdar()


def cleval(_config: Config, _context: Context) -> Metric:
    """Return CLEval."""
    from ocr_trainer.metrics.cleval import Cleval

    return Cleval()


def deteval(config: DetEvalConfig, _context: Context) -> Metric:
    """Return DetEval."""
    from ocr_trainer.metrics.deteval import DetEval, Rules

    return DetEval(Rules(config.recall, config.precision, config.split, config.merge))


def tiou(_config: Config, _context: Context) -> Metric:
    """Return TIoU."""
    from ocr_trainer.metrics.tiou import Tiou

    return Tiou()


def text(_config: Config, _context: Context) -> Metric:
    """Return the metric of recognized texts."""
    from ocr_trainer.metrics.recognition import Text

    return Text()
