"""Weights & Biases for ocr-trainer."""
