"""Description of PARSeq; importing it loads neither the network nor torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from ocr_trainer.plugin import Config, ModelPlugin, PublishedWeights, Task, option

MAX_LENGTH = 1024
"""The limit of `max_length`."""


class Size(Enum):
    """Size of the network: PARSeq-Ti and PARSeq in the paper."""

    tiny = "tiny"
    base = "base"


@dataclass
class PARSeqConfig(Config):
    """The options of PARSeq; the defaults are the authors'."""

    size: Size = Size.base
    """Size of the network: tiny (6.0 million parameters) or base (23.8 million)."""
    dropout: float = option(0.1, at_least=0, below=1)
    """Dropout probability of the decoder's activations and attention."""

    height: int = option(32, at_least=4, at_most=512)
    """Height of the network's input images, in pixels; a multiple of the patch height."""
    width: int = option(128, at_least=4, at_most=4096)
    """Width of the input images, the largest width with `keep_ratio`; a multiple of the patch width."""
    keep_ratio: bool = False
    """Keep the aspect ratio of images and pad them, up to `width`, instead of resizing all to `width`."""
    patch: list[int] = option([4, 8], at_least=1)
    """Height and width of the image patches, in pixels."""
    max_length: int = option(25, at_least=1, at_most=MAX_LENGTH)
    """Longest text, in characters; longer texts are neither learned nor predicted."""

    permutations: int = option(6, at_least=1, at_most=1024)
    """Orders that each batch is learned in: left to right, right to left, and random ones."""
    mirrored: bool = True
    """Learn each order together with its reverse."""

    rand_augment_layers: int = option(0, at_least=0, at_most=16)
    """Number of different RandAugment operations drawn per training image; each runs with probability 0.5."""
    rand_augment_magnitude: float = option(5.0, at_least=0, at_most=10)
    """Strength of the RandAugment operations."""

    decode_ar: bool = True
    """Decode autoregressively, each character from those before it; if false, all characters at once."""
    refinements: int = option(1, at_least=0, at_most=100)
    """Refinement passes after decoding; each predicts every character again from all others."""

    def validate(self) -> Iterator[str]:
        """Yield one message per combination of options that is not allowed."""
        if len(self.patch) != 2:
            yield f"patch={list(self.patch)} must be two numbers: the height and the width of a patch"
        else:
            for name, pixels, patch in zip(
                ("height", "width"), (self.height, self.width), self.patch, strict=True
            ):
                if pixels % patch:
                    yield (
                        f"{name}={pixels} must be a multiple of {patch}, the {name} of a patch"
                        f" (patch={list(self.patch)})"
                    )
        if self.mirrored and self.permutations % 2:
            yield (
                f"permutations={self.permutations} must be even with mirrored=true, as orders come in pairs;"
                " set mirrored=false for an odd number"
            )


parseq = ModelPlugin(
    api=1,
    summary="PARSeq: permuted autoregressive decoding with refinement (Bautista and Atienza, ECCV 2022)",
    config=PARSeqConfig,
    task=Task.recognition,
    factory="ocr_trainer_parseq.model:PARSeq",
    architecture=("size", "height", "width", "patch", "max_length"),
    published=(
        PublishedWeights(
            name="baudm/parseq",
            source="https://github.com/baudm/parseq",
            file="parseq-bb5792a6.pt",
            license="Apache-2.0",
            data="trained on MJSynth and SynthText, which are for research, or on real images with "
            "licenses of their own",
            layout="ocr_trainer_parseq.published:convert",
        ),
    ),
)
