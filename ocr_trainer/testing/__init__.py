"""Light until used. Contract suites for plugins: subclass one in a test file, and pytest runs its tests.

    from ocr_trainer.testing import DatasetSuite

    class TestReceipts(DatasetSuite):
        name = "receipts"
        overrides = ["dataset.root=tests/receipts"]

A suite finds the plugin by its name, as a run does: entry point, composition, factory. So the plugin
must be installed (`pip install -e .` is enough). The other parts of the run must be installed, too: if
the default model or dataset is not, choose others with `model=…` or `dataset=…` in `overrides`. If an
override depends on a fixture, such as a temporary folder, set `self.overrides` in an autouse fixture of
the class.

Importing the suites imports nothing heavy; running them imports what the plugin needs.
"""

from __future__ import annotations

from ocr_trainer.testing.augmentations import AugmentationSuite
from ocr_trainer.testing.backbones import BackboneSuite
from ocr_trainer.testing.callbacks import CallbackSuite
from ocr_trainer.testing.commands import CommandSuite
from ocr_trainer.testing.configs import ConfigsSuite
from ocr_trainer.testing.datasets import DatasetSuite
from ocr_trainer.testing.exporters import ExporterSuite
from ocr_trainer.testing.loggers import LoggerSuite
from ocr_trainer.testing.metrics import MetricSuite
from ocr_trainer.testing.models import ModelSuite
from ocr_trainer.testing.optimizers import OptimizerSuite
from ocr_trainer.testing.plugins import PluginSuite
from ocr_trainer.testing.recognizers import RecognizerSuite
from ocr_trainer.testing.schedules import ScheduleSuite
from ocr_trainer.testing.tasks import TaskSuite
from ocr_trainer.testing.texts import TextDatasetSuite
from ocr_trainer.testing.writers import WriterSuite

__all__ = [
    "AugmentationSuite",
    "BackboneSuite",
    "CallbackSuite",
    "CommandSuite",
    "ConfigsSuite",
    "DatasetSuite",
    "ExporterSuite",
    "LoggerSuite",
    "MetricSuite",
    "ModelSuite",
    "OptimizerSuite",
    "PluginSuite",
    "RecognizerSuite",
    "ScheduleSuite",
    "TaskSuite",
    "TextDatasetSuite",
    "WriterSuite",
]
