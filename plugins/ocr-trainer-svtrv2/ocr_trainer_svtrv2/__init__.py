"""SVTRv2, a text recognizer for ocr-trainer."""
