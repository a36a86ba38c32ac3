"""Light until used. The Python API: one function per command; `ocr_trainer` exports it."""
