"""NumPy, no torch. From a page to the outlines of its texts, but for the network."""
