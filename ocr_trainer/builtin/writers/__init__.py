"""Light. Descriptions of the built-in formats of result files, whose writers are in `ocr_trainer.results`."""
