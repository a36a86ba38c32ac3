"""NumPy, no torch. Reading annotated images: what dataset plugins are made of."""
