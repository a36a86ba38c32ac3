"""NumPy, no torch. Metrics of text detection and recognition, as pure functions and counters that add up."""
