"""numpy, no torch. Scores of predictions on disk, as `ocr-train score` reports them."""
