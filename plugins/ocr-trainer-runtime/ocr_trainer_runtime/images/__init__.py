"""NumPy, no torch. Images as callers have them: files, bytes, arrays, the pages of PDF and TIFF."""
