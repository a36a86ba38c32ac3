"""NumPy, no torch. The built-in metrics as plugins; `ocr_trainer.metrics` has the metrics themselves."""
