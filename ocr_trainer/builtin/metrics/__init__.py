"""The built-in metrics: their descriptions; `ocr_trainer.metrics` has the metrics."""
