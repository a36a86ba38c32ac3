"""What `icdar2015` and `sroie` are, in light lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ocr_trainer.plugin import REQUIRED, Config, DatasetPlugin, Task, option


@dataclass
class RowsConfig(Config):
    """Where the images and annotations are, and who is in which split. Paths are relative to `root`."""

    root: Path = REQUIRED
    """The folder that holds the dataset."""

    images: Path | None = None
    """The folder of images; found by its name if null."""

    annotations: Path | None = None
    """The folder of annotations, one file per image; found by its name if null."""

    train_list: Path | None = None
    """A file that names the training images, one a row; `train.txt` if null and there is one."""

    val_list: Path | None = None
    """A file that names the validation images; `val.txt` if null and there is one."""

    test_list: Path | None = None
    """A file that names the test images; `test.txt` if null and there is one."""

    val_share: float = option(0.1, at_least=0, below=1)
    """The share of the training images to validate on, where neither list nor folder says which."""

    test_share: float = option(0.0, at_least=0, below=1)
    """The share of the training images to test on, where neither list nor folder says which."""

    split_seed: int = 0
    """What the shares are drawn by; not the run's seed, so that all runs are scored on the same images."""

    def faults(self) -> Iterator[str]:
        """Yield what is wrong with the options taken together."""
        if self.val_share + self.test_share >= 1:
            yield "val_share and test_share leave no image to train on; together they must be below 1"
        if (self.images is None) != (self.annotations is None):
            yield "images and annotations go together: set both, or neither to have them found"


@dataclass
class Icdar2015Config(RowsConfig):
    """The options of `icdar2015`."""

    test_images: Path | None = None
    """The folder of test images; found by its name if null."""

    test_annotations: Path | None = None
    """The folder of test annotations; found by its name if null."""

    def faults(self) -> Iterator[str]:
        """Yield what is wrong with the options taken together."""
        yield from super().faults()
        if (self.test_images is None) != (self.test_annotations is None):
            yield "test_images and test_annotations go together: set both, or neither to have them found"


@dataclass
class SroieConfig(RowsConfig):
    """The options of `sroie`."""


icdar2015 = DatasetPlugin(
    api=1,
    summary="ICDAR 2015 incidental scene text (challenge 4): words as quadrilaterals",
    config=Icdar2015Config,
    tasks=(Task.detection,),
    factory="ocr_trainer_icdar.dataset:Icdar2015",
)

sroie = DatasetPlugin(
    api=1,
    summary="ICDAR 2019 SROIE scanned receipts: text lines as boxes",
    config=SroieConfig,
    tasks=(Task.detection,),
    factory="ocr_trainer_icdar.dataset:Sroie",
)
