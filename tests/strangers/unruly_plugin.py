"""A stranger's dataset whose workers come to grief, where the environment says so."""

from ocr_trainer.plugin import Config, DatasetPlugin, Task

dataset = DatasetPlugin(
    api=1, summary="pages that do harm", config=Config, tasks=(Task.detection,), factory="unruly:Dataset"
)
