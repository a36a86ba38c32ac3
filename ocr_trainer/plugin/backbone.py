"""The options of a backbone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from ocr_trainer.plugin.api import Config

WEIGHT_SUFFIXES = (".pth", ".pt", ".safetensors")
HUB_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*")
"""The name of a repository on the Hugging Face hub: OWNER/NAME."""


def is_file(weights: str) -> bool:
    """Return whether weights are a local file rather than a repository: by the suffix, or if it exists."""
    path = Path(weights)
    return path.suffix in WEIGHT_SUFFIXES or path.is_file()


@dataclass
class BackboneConfig(Config):
    """The options that every backbone has. The core loads the weights into what the factory returns."""

    weights: str | None = None
    """Initial weights: a file (.pth, .pt, .safetensors) or a Hugging Face repository; random if not given."""

    def without_init_weights(self) -> Self:
        """Return the options without the initial weights, for loading a checkpoint."""
        return replace(self, weights=None)

    def validate(self) -> Iterator[str]:
        """Yield a message if the weights are neither a file nor the name of a repository."""
        if self.weights is None:
            return
        if is_file(self.weights):
            if not Path(self.weights).is_file():
                yield f"weights={self.weights}: there is no such file"
        elif not HUB_NAME.fullmatch(self.weights):
            yield (
                f"weights={self.weights} is neither a file ({', '.join(WEIGHT_SUFFIXES)}) nor the name of a"
                " repository on the Hugging Face hub, such as timm/resnet18.tv_in1k"
            )
