"""The built-in plugins: the datasets `concat` and `crops`, and the logger `csv`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ocr_trainer.plugin import (
    Config,
    DatasetPlugin,
    Kind,
    LoggerConfig,
    LoggerPlugin,
    Options,
    Task,
    option,
    plugin_option,
    sections_option,
)


@dataclass
class Part(Options):
    """One of the datasets that are mixed."""

    dataset: Any = plugin_option(Kind.dataset)
    """The dataset plugin and its options: `{name: sroie, root: DIR}`."""
    weight: float = option(1.0, above=0)
    """How often each of its training images comes in an epoch; below 1, epochs take turns."""
    train: int | None = option(None, at_least=0)
    """Use at most this many of its training images; 0 for none."""
    val: int | None = option(None, at_least=0)
    """Use at most this many of its validation images; 0 for none."""
    test: int | None = option(None, at_least=0)
    """Use at most this many of its test images; 0 for none."""


@dataclass
class ConcatConfig(Config):
    """Several datasets as one."""

    parts: dict[str, Any] = sections_option(Part)
    """The datasets, each under a name of your choice."""


concat = DatasetPlugin(
    api=1,
    summary="several datasets as one, each with its weight",
    config=ConcatConfig,
    tasks=(Task.detection, Task.recognition),
    factory="ocr_trainer.builtin.concat:Concat",
)


@dataclass
class CropsConfig(Config):
    """The texts of a detection dataset, cut out and set upright."""

    of: Any = plugin_option(Kind.dataset, Task.detection)
    """The dataset plugin and its options: `dataset.of.name=sroie dataset.of.root=DIR`."""
    margin: float = option(0.0, at_least=0, at_most=1)
    """What to add around each text, as a share of its height."""
    mask: bool = True
    """Blank what does not belong to a text, where its outline is neither a quadrilateral nor a band."""
    ordered: bool | None = None
    """Whether outlines begin at their text's top left; left empty: if most do so on the page."""
    min_height: int = option(0, at_least=0)
    """Leave out lower texts, in pixels of the image."""
    min_width: int = option(0, at_least=0)
    """Leave out narrower texts, in pixels of the image."""
    cache_mb: int = option(256, at_least=0)
    """How many MiB of crops each worker keeps, so that a page is not decoded for every word; 0 for none."""


crops = DatasetPlugin(
    api=1,
    summary="the texts of a detection dataset, cut out for recognition",
    config=CropsConfig,
    tasks=(Task.recognition,),
    factory="ocr_trainer.builtin.crops:Crops",
)


@dataclass
class CSVConfig(LoggerConfig):
    """Metrics as rows of a spreadsheet: csv/metrics.csv in the run directory."""

    flush_every: int = option(1, at_least=1)
    """Rows between two writes to the disk; a run that is killed loses those not written yet."""


csv = LoggerPlugin(
    api=1,
    summary="metrics as rows of csv/metrics.csv in the run directory",
    config=CSVConfig,
    factory="ocr_trainer.builtin.csv_logger:make",
)
