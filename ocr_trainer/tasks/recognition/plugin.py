"""The description of the task recognition."""

from __future__ import annotations

from ocr_trainer.plugin import Prediction, TaskPlugin

task = TaskPlugin(
    api=1,
    summary="read images of words and lines, scored by words and characters",
    run_config="ocr_trainer.tasks.recognition.config:RecognitionConfig",
    factory="ocr_trainer.tasks.recognition.task:RecognitionTask",
    prediction=Prediction.text,
)
