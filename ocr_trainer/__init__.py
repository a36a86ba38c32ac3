"""Train OCR models by name; nothing is imported before it is chosen."""
