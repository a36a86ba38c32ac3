"""Datasets in UFO JSON, the Upstage Format for OCR."""
