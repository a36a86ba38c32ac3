"""Options that many plugins share: where a dataset lies, who is in which split, how a text is seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ocr_trainer.plugin import REQUIRED, Config, option


@dataclass
class FolderConfig(Config):
    """A dataset in a folder. Paths are relative to `root`."""

    root: Path = REQUIRED
    """The folder that holds the dataset."""

    val_share: float = option(0.1, at_least=0, below=1)
    """The share of the training images to validate on, where nothing else says which."""

    test_share: float = option(0.0, at_least=0, below=1)
    """The share of the training images to test on, where nothing else says which."""

    split_seed: int = 0
    """What the shares are drawn by; not the run's seed, so that all runs are scored on the same images."""

    follow_links: bool = False
    """Whether links out of the dataset's folder are followed: whoever made them decides what is read."""

    def validate(self) -> Iterator[str]:
        """Yield what is wrong with the options taken together."""
        if self.val_share + self.test_share >= 1:
            yield "val_share and test_share leave no image to train on; together they must be below 1"


@dataclass
class PairedConfig(FolderConfig):
    """A dataset with one annotation file per image."""

    images: Path | None = None
    """The folder of images; found by its name if null."""

    annotations: Path | None = None
    """The folder of annotations, one file per image; found by its name if null."""

    test_images: Path | None = None
    """The folder of test images; found by its name if null and there is one."""

    test_annotations: Path | None = None
    """The folder of test annotations; found by its name if null and there is one."""

    train_list: Path | None = None
    """A file that names the training images, one a row; `train.txt` if null and there is one."""

    val_list: Path | None = None
    """A file that names the validation images; `val.txt` if null and there is one."""

    test_list: Path | None = None
    """A file that names the test images; `test.txt` if null and there is one."""

    def validate(self) -> Iterator[str]:
        """Yield what is wrong with the options taken together."""
        yield from super().validate()
        for images in ("images", "test_images"):
            annotations = images.replace("images", "annotations")
            if (getattr(self, images) is None) != (getattr(self, annotations) is None):
                yield f"{images} and {annotations} go together: set both, or neither to have them found"


@dataclass
class ListedConfig(FolderConfig):
    """A dataset whose annotations of many images stand in one file."""

    train_file: Path | None = None
    """The training annotations; found by its name if null."""

    val_file: Path | None = None
    """The validation annotations; found by its name if null and there is one."""

    test_file: Path | None = None
    """The test annotations; found by its name if null and there is one."""

    images: Path | None = None
    """The folder that the names of images are relative to; found by its name if null."""


@dataclass
class RecognizerConfig(Config):
    """A recognizer that sees texts at one height, in their own proportions."""

    height: int = option(32, at_least=8, at_most=512)
    """The height that texts are scaled to, in pixels."""

    min_width: int = option(16, at_least=4)
    """Narrower texts are widened to this, in pixels."""

    max_width: int = option(2048, at_least=16)
    """Wider texts are squeezed to this, in pixels."""

    def validate(self) -> Iterator[str]:
        """Yield what is wrong with the options taken together."""
        if self.min_width > self.max_width:
            yield f"min_width={self.min_width} is more than max_width={self.max_width}"


@dataclass
class CtcConfig(RecognizerConfig):
    """A recognizer that is trained with CTC."""

    beam: int = option(1, at_least=1, at_most=1000)
    """How many prefixes the beam search keeps when reading; 1 for the likeliest class of each step."""
