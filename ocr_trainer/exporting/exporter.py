"""`Exporter`, the base class of exporters, and `Engine`, the base class of what runs their exports."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ocr_trainer.config.schema import RunConfig
from ocr_trainer.data.types import Detections, Image
from ocr_trainer.metrics.collection import MetricCollection
from ocr_trainer.plugin import Config, Context
from ocr_trainer.tasks.exportable import Exportable, OutputKind

BATCHES = (1, 6)
"""The batch sizes that the gate runs."""


@dataclass(frozen=True)
class Subject:
    """A trained model to export."""

    model: Any
    """A `Detector` or a `Recognizer`, in evaluation mode, on the CPU."""
    exportable: Exportable
    run: RunConfig
    """The configuration in its checkpoint, with overrides."""
    metadata: Mapping[str, Any]
    """The metadata for the exported file, as plain values."""

    @property
    def name(self) -> str:
        """The name of the model's plugin."""
        return str(self.run.model.name)

    @property
    def reads(self) -> bool:
        """True for a recognizer, which reads texts; False for a detector, which finds them."""
        return self.exportable.kind is not OutputKind.regions

    @property
    def charset(self) -> str:
        """The characters of a recognizer; empty for a detector."""
        return str(getattr(self.model, "charset", ""))


class Engine(ABC):
    """Runs an exported model in the software that the format is made for."""

    batches: Sequence[int] = BATCHES
    """The batch sizes for the gate; override it if the format does not take all of them."""
    size: tuple[int, int] | None = None
    """Height and width of images, if the format fixes them."""
    title: str
    """Name and version of the software."""

    @abstractmethod
    def outputs(self, images: np.ndarray, widths: np.ndarray | None) -> dict[str, np.ndarray]:
        """Run the network, with the normalization of the format.

        Args:
            images: uint8, (batch, 3, height, width), RGB, padded with zeros on the right and at the bottom.
            widths: For a recognizer, int64, (batch,): the columns of each image that are not padding.

        Returns:
            The arrays that the model's own `decode` takes, with classes in the order of the model.
        """

    def read(self, images: Sequence[Image]) -> list[str] | None:
        """Return the texts that the software itself decodes; None if the model should decode `outputs`.

        Args:
            images: uint8, (height, width, 3), RGB, at the model's size.
        """
        return None

    def find(self, image: Image) -> Detections | None:
        """Return the regions that the software itself finds; None if it has no such step.

        Args:
            image: uint8, (height, width, 3), RGB, at the model's size, padded to its stride.
        """
        return None


class Exporter(ABC):
    """Writes a model in one format. The factory of an exporter plugin returns an instance.

    Args:
        config: The options of the plugin.
        context: What the core passes to every factory.
    """

    gated_options: Sequence[str] = ()
    """Names of switches that `finish` needs images for; refused if there is no gate."""

    def __init__(self, config: Config, context: Context) -> None:
        self.config = config

    def refusal(self, subject: Subject) -> str | None:
        """Return why a model cannot be exported to this format, in the user's words; None if it can.

        The core calls it before `write`.
        """
        return None

    @abstractmethod
    def write(self, subject: Subject, folder: Path) -> None:
        """Write the model to an empty folder, with an `example.py` that runs it.

        The core adds the model card, the characters and the table of the gate.
        """

    @abstractmethod
    def open(self, subject: Subject, folder: Path) -> Engine:
        """Return an engine that runs the model in a folder that `write` filled."""

    def finish(
        self, subject: Subject, folder: Path, samples: Sequence[Any], metrics: MetricCollection
    ) -> list[str]:
        """Add files that need images, such as quantized weights, after the gate has passed.

        Args:
            subject: The model.
            folder: The folder of the export.
            samples: The samples that the gate used.
            metrics: Metrics without counts.

        Returns:
            Notes for the user and the model card.
        """
        return []
