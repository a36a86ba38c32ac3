"""The description of the task detection."""

from __future__ import annotations

from ocr_trainer.plugin import Prediction, TaskPlugin

task = TaskPlugin(
    api=1,
    summary="find texts on pages: polygons, scored by ICDAR's protocol and CLEval",
    run_config="ocr_trainer.tasks.detection.config:DetectionConfig",
    factory="ocr_trainer.tasks.detection.task:DetectionTask",
    prediction=Prediction.regions,
)
