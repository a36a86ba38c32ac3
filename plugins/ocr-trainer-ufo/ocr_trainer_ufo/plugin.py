"""What `ufo` is, in light lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ocr_trainer.plugin import REQUIRED, Config, DatasetPlugin, Task, option


@dataclass
class UfoConfig(Config):
    """The options of `ufo`. Paths are relative to `root`."""

    root: Path = REQUIRED
    """The folder that holds the dataset."""

    train_json: Path | None = None
    """The training annotations; `ufo/train.json` or the like if null."""

    val_json: Path | None = None
    """The validation annotations; `ufo/val.json` or the like if null and there is one."""

    test_json: Path | None = None
    """The test annotations; `ufo/test.json` or the like if null and there is one."""

    images: Path | None = None
    """The folder of images; `img/train`, `images` or the like if null."""

    ignore_untranscribed: bool = True
    """Take a word whose transcription is null or blank as "don't care"; otherwise it is text to detect."""

    val_share: float = option(0.1, at_least=0, below=1)
    """The share of the training images to validate on, where no file says which."""

    test_share: float = option(0.0, at_least=0, below=1)
    """The share of the training images to test on, where no file says which."""

    split_seed: int = 0
    """What the shares are drawn by; not the run's seed, so that all runs are scored on the same images."""

    def faults(self) -> Iterator[str]:
        """Yield what is wrong with the options taken together."""
        if self.val_share + self.test_share >= 1:
            yield "val_share and test_share leave no image to train on; together they must be below 1"


ufo = DatasetPlugin(
    api=1,
    summary="UFO JSON (Upstage Format for OCR): words as polygons, one file per split",
    config=UfoConfig,
    tasks=(Task.detection,),
    factory="ocr_trainer_ufo.dataset:Ufo",
)
