"""PARSeq, a text recognizer for ocr-trainer."""
