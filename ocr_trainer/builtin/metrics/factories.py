"""The factories of the built-in metrics."""

from __future__ import annotations

from ocr_trainer.builtin.metrics.plugin import DetEvalConfig
from ocr_trainer.metrics.detection import Cleval, DetEval, Icdar, Tiou
from ocr_trainer.metrics.deteval import Rules
from ocr_trainer.metrics.recognition import Text
from ocr_trainer.plugin import Config, Context


def icdar(_config: Config, _context: Context) -> Icdar:
    """Return the score of the ICDAR challenges."""
    return Icdar()


def cleval(_config: Config, _context: Context) -> Cleval:
    """Return CLEval."""
    return Cleval()


def deteval(config: DetEvalConfig, _context: Context) -> DetEval:
    """Return DetEval."""
    return DetEval(Rules(config.recall, config.precision, config.split, config.merge))


def tiou(_config: Config, _context: Context) -> Tiou:
    """Return TIoU."""
    return Tiou()


def text(_config: Config, _context: Context) -> Text:
    """Return the metric of recognized texts."""
    return Text()
