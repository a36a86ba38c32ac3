"""Formats of exported models for ocr-trainer."""
