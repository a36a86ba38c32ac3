"""The description of `ocr-train serve`. Importing it imports neither FastAPI nor onnxruntime."""

from ocr_trainer.plugin import CommandPlugin, Config

serve = CommandPlugin(
    api=1,
    summary="serve exported models over HTTP: an API, and a page to drop images on",
    config=Config,
    factory="ocr_trainer_serve.command:serve",
)
