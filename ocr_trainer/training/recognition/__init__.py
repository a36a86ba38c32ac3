"""Text recognition: what a recogniser inherits, and everything around it."""

from ocr_trainer.training.recognition.recognizer import Recognizer

__all__ = ["Recognizer"]
