"""CRNN, a text recognizer for ocr-trainer."""
