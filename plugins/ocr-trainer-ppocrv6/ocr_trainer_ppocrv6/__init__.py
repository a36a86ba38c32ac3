"""PP-OCRv6, a text detector and a text recognizer with published weights, for ocr-trainer."""
