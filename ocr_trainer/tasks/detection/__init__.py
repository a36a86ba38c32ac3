"""Text detection: what a detector inherits, and everything around it."""

from ocr_trainer.tasks.detection.detector import Detector

__all__ = ["Detector"]
