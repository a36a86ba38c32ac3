"""DBNet, a text detector for ocr-trainer."""
