"""NumPy, no torch. Scoring of prediction files against ground truth files, for `ocr-train score`."""
