"""What ocr-trainer is told about PARSeq before any of it is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from ocr_trainer.plugin import Config, ModelPlugin, Task, option


class Size(Enum):
    """How large the network is: what the paper calls PARSeq-Ti and PARSeq."""

    tiny = "tiny"
    base = "base"


@dataclass
class PARSeqConfig(Config):
    """The options of PARSeq; the defaults are the authors'."""

    size: Size = Size.base
    """The network: tiny (6.0 million weights) or base (23.8 million)."""
    dropout: float = option(0.1, at_least=0, below=1)
    """The share of the decoder's activations and attention that is dropped in training."""

    height: int = option(32, at_least=4, at_most=512)
    """The height that images are resized to, in pixels; a multiple of the patches'."""
    width: int = option(128, at_least=4, at_most=4096)
    """The width that images are resized to, or at most to with `keep_ratio`; a multiple of the patches'."""
    keep_ratio: bool = False
    """Keep the proportions of images and pad them, up to `width`, instead of making all of them that wide."""
    patch: list[int] = option([4, 8], at_least=1)
    """Height and width of the patches an image is cut into, in pixels."""
    max_length: int = option(25, at_least=1, at_most=1024)
    """Longer texts are neither learned nor read."""

    permutations: int = option(6, at_least=1, at_most=1024)
    """In how many orders each batch is learned: from the left, from the right, and others that are drawn."""
    mirrored: bool = True
    """Learn with each order its mirror image, too."""

    decode_ar: bool = True
    """Read one character after the other, each in the light of those before it; else all at once."""
    refinements: int = option(1, at_least=0, at_most=100)
    """How often a reading is corrected, each character in the light of all others."""

    def validate(self) -> Iterator[str]:
        """Yield what is wrong with the options taken together."""
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
    summary="PARSeq: reads in any order, then corrects itself (Bautista and Atienza, ECCV 2022)",
    config=PARSeqConfig,
    task=Task.recognition,
    factory="ocr_trainer_parseq.model:PARSeq",
)
