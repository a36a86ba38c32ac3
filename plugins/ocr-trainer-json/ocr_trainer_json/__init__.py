"""Datasets in JSON: one reader for each way to write words and their places down."""
