"""NumPy, no torch. Scores of prediction files, as `ocr-train score` reports them."""
