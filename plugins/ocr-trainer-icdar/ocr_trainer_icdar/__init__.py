"""Datasets of the ICDAR competitions: rows of four corners and a text."""
