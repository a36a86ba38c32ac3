"""NumPy, no torch. The scores of the field, and predictions on disk; no torch."""
