"""PARSeq, a text recogniser for ocr-trainer."""
