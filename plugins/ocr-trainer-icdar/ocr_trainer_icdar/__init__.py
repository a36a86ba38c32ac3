"""Datasets of the ICDAR competitions: rows of coordinates and a text, one file per image."""
