"""SVTRv2, a text recogniser for ocr-trainer."""
