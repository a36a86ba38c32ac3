"""Options that many plugins share: dataset folders, splits, the input size of recognizers, DB's decoding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ocr_trainer.plugin import REQUIRED, Config, Options, option
from ocr_trainer_runtime.options import ExifOrientation as ExifOrientation
from ocr_trainer_runtime.options import Shape as Shape
from ocr_trainer_runtime.options import Side as Side
from ocr_trainer_runtime.options import Unclip as Unclip


@dataclass
class FolderConfig(Config):
    """A dataset in a folder. Paths are relative to `root`."""

    root: Path = REQUIRED
    """Folder of the dataset."""

    val_share: float = option(0.1, at_least=0, below=1)
    """Fraction of the training images to validate on, if the dataset defines no validation split."""

    test_share: float = option(0.0, at_least=0, below=1)
    """Fraction of the training images to test on, if the dataset defines no test split."""

    split_seed: int = 0
    """Seed of the split; separate from the run's seed, so that all runs are scored on the same images."""

    follow_links: bool = False
    """Follow links that point out of the dataset's folder. The author of such links decides what is read."""

    def validate(self) -> Iterator[str]:
        """Yield a message for each invalid combination of options."""
        if self.val_share + self.test_share >= 1:
            yield "val_share and test_share leave no image to train on: their sum must be below 1"


@dataclass
class OutlineConfig(Options):
    """What all datasets of outlines have in common."""

    order_corners: bool = False
    """Put four corners whose outline crosses itself in order: their hull, from the first corner on."""


@dataclass
class UntranscribedConfig(Options):
    """Datasets whose labels may lack a transcription."""

    ignore_untranscribed: bool | None = None
    """Treat text without transcription as "don't care"; if null, unless no label of the dataset has one."""


@dataclass
class PairedConfig(OutlineConfig, FolderConfig):
    """A dataset with one annotation file per image."""

    images: Path | None = None
    """Folder of images; found by name if null."""

    annotations: Path | None = None
    """Folder of annotations, one file per image; found by name if null."""

    test_images: Path | None = None
    """Folder of test images; if null, found by name where one exists."""

    test_annotations: Path | None = None
    """Folder of test annotations; if null, found by name where one exists."""

    train_list: Path | None = None
    """File that lists the training images, one per line; if null, `train.txt` where it exists."""

    val_list: Path | None = None
    """File that lists the validation images; if null, `val.txt` where it exists."""

    test_list: Path | None = None
    """File that lists the test images; if null, `test.txt` where it exists."""

    exif_orientation: ExifOrientation = ExifOrientation.auto
    """What the labels of photographs that are stored turned or mirrored refer to: the image as it is shown
    (applied), its stored pixels (ignored), or what the file or its format says (auto)."""

    def validate(self) -> Iterator[str]:
        """Yield a message for each invalid combination of options."""
        yield from super().validate()
        for images in ("images", "test_images"):
            annotations = images.replace("images", "annotations")
            if (getattr(self, images) is None) != (getattr(self, annotations) is None):
                yield f"{images} and {annotations} go together: set both, or neither to find them by name"


@dataclass
class ListedConfig(FolderConfig):
    """A dataset with the annotations of many images in one file."""

    train_file: Path | None = None
    """File of training annotations; found by name if null."""

    val_file: Path | None = None
    """File of validation annotations; if null, found by name where one exists."""

    test_file: Path | None = None
    """File of test annotations; if null, found by name where one exists."""

    images: Path | None = None
    """Folder that image names are relative to; found by name if null."""

    exif_orientation: ExifOrientation = ExifOrientation.auto
    """What the labels of photographs that are stored turned or mirrored refer to: the image as it is shown
    (applied), its stored pixels (ignored), or what the file or its format says (auto)."""


@dataclass
class ListedPagesConfig(OutlineConfig, ListedConfig):
    """A dataset with the outlines of many pages in one file."""


@dataclass
class RecognizerConfig(Config):
    """A recognizer that scales texts to one height and keeps their aspect ratio."""

    height: int = option(32, at_least=8, at_most=512)
    """Height that texts are scaled to, in pixels."""

    min_width: int = option(16, at_least=4)
    """Minimum width in pixels; narrower texts are stretched."""

    max_width: int = option(2048, at_least=16)
    """Maximum width in pixels; wider texts are squeezed."""

    def validate(self) -> Iterator[str]:
        """Yield a message for each invalid combination of options."""
        if self.min_width > self.max_width:
            yield f"min_width={self.min_width} is more than max_width={self.max_width}"


@dataclass
class CtcConfig(RecognizerConfig):
    """A recognizer trained with CTC."""

    beam: int = option(1, at_least=1, at_most=1000)
    """Beam width of CTC decoding; 1 for greedy decoding."""


@dataclass
class DBConfig(Config):
    """A detector that segments shrunk text and grows what it finds, as DBNet; the defaults are DBNet's."""

    shrink_ratio: float = option(0.4, above=0, below=1)
    """The shrink ratio `r` of text kernels, in the paper's offset A (1 - r²) / L."""
    thresh_min: float = option(0.3, at_least=0, at_most=1)
    """Target of the threshold map far from text borders."""
    thresh_max: float = option(0.7, at_least=0, at_most=1)
    """Target of the threshold map on text borders."""
    min_text_size: float = option(8, at_least=0)
    """Text whose bounding box is lower or narrower than this, in pixels, is masked out of the loss."""
    k: float = option(50, above=0)
    """Steepness of the differentiable binarization."""

    size: int = option(736, at_least=32)
    """Length that `side` is resized to for validation, test and prediction, in pixels."""
    side: Side = Side.short
    """The side that is resized to `size`: short, long, width, or none to keep images as they are; at_least:
    the short side, if it is shorter."""
    max_side: int = option(2560, at_least=32)
    """Longest side after resizing, in pixels; it overrides `side` and `size`."""

    shape: Shape = Shape.quad
    """Shape of the detected regions: rotated rectangles (quad) or polygons."""
    binarize_threshold: float = option(0.3, at_least=0, below=1)
    """Pixels with a higher probability are text."""
    box_threshold: float = option(0.6, at_least=0, at_most=1)
    """Regions with a lower mean probability are dropped."""
    max_candidates: int = option(1000, at_least=1)
    """Regions decoded per image; if there are more, the largest are decoded and a warning is logged."""
    min_side: float = option(3, at_least=0)
    """Regions narrower than this, in pixels, are dropped."""
    unclip: Unclip = Unclip.ratio
    """How regions grow: as in the authors' code (ratio), or by inverting the shrinking (exact; long text)."""
    unclip_ratio: float | None = option(None, above=0)
    """The ratio of `unclip=ratio`; if not given, the authors': 1.5 for quads, 2.0 for polygons."""

    def validate(self) -> Iterator[str]:
        """Yield one message per combination of options that is not allowed."""
        if self.thresh_min >= self.thresh_max:
            yield f"thresh_min={self.thresh_min:g} must be below thresh_max={self.thresh_max:g}"
        if self.max_side < self.size and self.side is not Side.none:
            yield f"max_side={self.max_side} must not be below size={self.size}"
        if self.unclip is Unclip.exact and self.unclip_ratio is not None:
            yield f"unclip_ratio={self.unclip_ratio:g} has no effect with unclip=exact; remove one of them"
