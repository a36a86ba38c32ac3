"""Datasets of the ICDAR competitions: one file per image with rows of coordinates and text."""
