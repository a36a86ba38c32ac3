"""Text recognition: what a recognizer inherits, and everything around it."""

from ocr_trainer.tasks.recognition.recognizer import Recognizer

__all__ = ["Recognizer"]
