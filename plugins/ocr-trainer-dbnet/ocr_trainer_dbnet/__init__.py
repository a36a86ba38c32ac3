"""DBNet and DBNet++, text detectors for ocr-trainer."""
