"""Generated pages, words and lines for training, drawn on request."""
