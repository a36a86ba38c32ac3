"""The built-in augmentation `copy_paste`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ocr_trainer.plugin import AugmentationConfig, AugmentationPlugin, Task, option


@dataclass
class CopyPasteConfig(AugmentationConfig):
    """Texts copied to free places of the page."""

    probability: float = option(0.5, at_least=0, at_most=1)
    """Probability of changing a page."""
    other_page: float = option(0.5, at_least=0, at_most=1)
    """Probability of copying the texts from another training page instead of the same one."""
    max_texts: int = option(8, at_least=1, at_most=1000)
    """Maximum number of texts to paste; the number is drawn evenly from 1 on."""
    scale: list[float] = option([0.7, 1.4], above=0, at_most=10)
    """Range of the factor by which a pasted text is resized, sampled log-uniformly."""
    match_light: bool = True
    """Adapt the brightness and the color of a pasted text to those of the place."""

    def validate(self) -> Iterator[str]:
        """Yield a message for each invalid combination of options."""
        if len(self.scale) != 2 or self.scale[0] > self.scale[1]:
            yield f"scale must be [lowest, highest], not {list(self.scale)}"


copy_paste = AugmentationPlugin(
    api=1,
    summary="copies texts, of the same or another page, to free places",
    config=CopyPasteConfig,
    tasks=(Task.detection,),
    factory="ocr_trainer.builtin.augment.copy_paste:CopyPaste",
)
