"""Light until used. Contract suites for plugins, ours and a stranger's: subclass one in a test file, and pytest runs it.

    from ocr_trainer.testing import DatasetSuite

    class TestReceipts(DatasetSuite):
        name = "receipts"
        overrides = ["dataset.root=tests/receipts"]

A suite knows the plugin by its name alone and takes the way of a run: entry point, composition,
factory. So the plugin must be installed (`pip install -e .` will do), and the rest of the run, too:
where the core's own model or dataset is not, say `model=…` or `dataset=…` in `overrides`. What comes
from a fixture, such as a temporary folder, an autouse fixture of the class puts into `self.overrides`.

Importing the suites imports nothing heavy; running them imports what the plugin needs.
"""

from __future__ import annotations

from ocr_trainer.testing.datasets import DatasetSuite
from ocr_trainer.testing.loggers import LoggerSuite
from ocr_trainer.testing.models import ModelSuite
from ocr_trainer.testing.recognizers import RecognizerSuite
from ocr_trainer.testing.texts import TextDatasetSuite

__all__ = ["DatasetSuite", "LoggerSuite", "ModelSuite", "RecognizerSuite", "TextDatasetSuite"]
