"""Light. Characters and strings: normalization, character sets, bidirectional text."""
