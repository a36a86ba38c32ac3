"""Light. Text normalization, character sets and charset files, and bidirectional text."""
