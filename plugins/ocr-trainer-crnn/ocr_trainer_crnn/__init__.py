"""CRNN, a text recogniser for ocr-trainer."""
