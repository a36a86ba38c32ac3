"""The built-in plugins: the datasets `synthetic`, `concat` and `crops`, and the logger `csv`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
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
class SyntheticConfig(Config):
    """Pages of rendered words, made on the fly: nothing to download."""

    train_pages: int = option(800, at_least=1)
    """Pages per epoch; they are new ones in every epoch."""
    val_pages: int = option(40, at_least=0)
    """Pages to validate on, the same after every epoch; 0 for none."""
    test_pages: int = option(40, at_least=0)
    """Pages to test on; 0 for none."""
    height: int = option(512, at_least=64, at_most=8192)
    """Height of a page, in pixels."""
    width: int = option(512, at_least=64, at_most=8192)
    """Width of a page, in pixels."""
    min_words: int = option(5, at_least=1)
    """The fewest words a page is meant to have; there are fewer where they do not fit."""
    max_words: int = option(60, at_least=1)
    """The most words a page can have."""
    min_font_size: int = option(12, at_least=6)
    """The smallest font, in pixels per em."""
    max_font_size: int = option(44, at_least=6)
    """The largest font, in pixels per em."""
    max_angle: float = option(40.0, at_least=0, at_most=90)
    """The steepest text, in degrees to either side; most is level or nearly so."""
    fonts: list[Path] = field(default_factory=list)
    """Font files (TrueType or OpenType) with Latin letters and digits; none for the one built in."""

    def faults(self) -> Iterator[str]:
        """Yield the ranges that are upside down, and fonts that fill the page."""
        if self.min_words > self.max_words:
            yield f"min_words={self.min_words} is more than max_words={self.max_words}"
        if self.min_font_size > self.max_font_size:
            yield f"min_font_size={self.min_font_size} is more than max_font_size={self.max_font_size}"
        if 4 * self.min_font_size > min(self.height, self.width):
            page = f"height={self.height} and width={self.width}"
            yield f"min_font_size={self.min_font_size} is more than a quarter of the page, {page}"


@dataclass
class Part(Options):
    """One of the datasets that are mixed."""

    dataset: Any = plugin_option(Kind.dataset)
    """The dataset plugin and its options: `{name: sroie, root: DIR}`."""
    weight: float = option(1.0, above=0)
    """How often each of its training images comes in an epoch; below 1, epochs take turns."""
    train: int | None = option(None, at_least=0)
    """Take at most so many of its training images; 0 for none."""
    val: int | None = option(None, at_least=0)
    """Take at most so many of its validation images; 0 for none."""
    test: int | None = option(None, at_least=0)
    """Take at most so many of its test images; 0 for none."""


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


synthetic = DatasetPlugin(
    api=1,
    summary="pages of rendered words, made on the fly, for text detection",
    config=SyntheticConfig,
    tasks=(Task.detection,),
    factory="ocr_trainer.builtin.synthetic:Synthetic",
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
    """Figures as rows of a spreadsheet: csv/metrics.csv in the run's folder."""

    flush_every: int = option(50, at_least=1)
    """Training steps between two writes to the disk."""


csv = LoggerPlugin(
    api=1,
    summary="figures as rows of csv/metrics.csv in the run's folder",
    config=CSVConfig,
    factory="ocr_trainer.builtin.csv_logger:make",
)
