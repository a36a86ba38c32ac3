"""NumPy, no torch. Readers of annotation formats, from which dataset plugins are built."""
