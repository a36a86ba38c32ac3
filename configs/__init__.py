"""The YAML half of the configuration: presets and whole experiments; installed as `ocr_trainer.configs`."""
