"""Backbones of timm for ocr-trainer."""
