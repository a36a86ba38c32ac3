"""NumPy, no torch. From the outline of a text to its characters, but for the network."""
