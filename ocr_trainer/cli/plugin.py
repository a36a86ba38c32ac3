"""The commands of ocr-train that are registered as plugins."""

from ocr_trainer.plugin import API, CommandPlugin, Config

check_data = CommandPlugin(
    api=API,
    summary="read all samples of a dataset; list unusable ones",
    config=Config,
    factory="ocr_trainer.cli.check_data:check_data",
)
export = CommandPlugin(
    api=API,
    summary="export a trained model to a format that other engines run",
    config=Config,
    factory="ocr_trainer.cli.export:export",
)
new_plugin = CommandPlugin(
    api=API,
    summary="create a distribution with a plugin, and tests that pass",
    config=Config,
    factory="ocr_trainer.cli.new_plugin:new_plugin",
)
score = CommandPlugin(
    api=API,
    summary="score predictions on disk: boxes, texts or both",
    config=Config,
    factory="ocr_trainer.cli.score:score",
)
