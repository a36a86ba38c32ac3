"""Light. The `ocr-train` command: one module per command turns argv into a call."""
