"""Both tasks of the core fulfill the contract of tasks."""

from __future__ import annotations

from ocr_trainer.testing import TaskSuite

PAGES = (
    *(
        "model=dbnet",
        "model.neck_channels=8",
        "model.backbone.width=8",
        "model.size=64",
        "augment.crop=64",
        "calibrate.images=2",
    ),
    *("dataset=synthetic", "dataset.train_pages=4", "dataset.val_pages=2", "dataset.test_pages=1"),
    *("dataset.height=64", "dataset.width=64", "dataset.max_words=5", "data.batch_size=2"),
)
TEXTS = (
    *("model=crnn", "model.size=tiny", "dataset=synthetic", "dataset.text.charsets=[digits]"),
    *("dataset.text.train_texts=8", "dataset.text.val_texts=4", "dataset.text.test_texts=2"),
    *("data.batch_size=4", "data.bucket_batches=2"),
)


class TestDetection(TaskSuite):
    name = "detection"
    overrides = PAGES


class TestRecognition(TaskSuite):
    name = "recognition"
    overrides = TEXTS
