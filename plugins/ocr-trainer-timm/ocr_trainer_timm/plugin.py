"""Description of the `timm` backbones; importing it loads neither timm nor torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ocr_trainer.plugin import BackboneConfig, BackbonePlugin


@dataclass
class TimmConfig(BackboneConfig):
    """A feature extractor of timm. Its name is that of the backbone: `timm/convnext_tiny`."""

    @property
    def model(self) -> str:
        """The name of the extractor in timm."""
        return self.name.partition("/")[2]

    def validate(self) -> Iterator[str]:
        """Yield a message if no extractor is chosen, and what is wrong with the weights."""
        if self.name and not self.model:
            yield "name=timm is a family: choose one of timm's models, such as name=timm/convnext_tiny"
        yield from super().validate()


timm = BackbonePlugin(
    api=1,
    summary="feature extractors of timm, chosen as timm/NAME: ConvNeXt, MobileNet, EfficientNet, HRNet, …",
    config=TimmConfig,
    variants=True,
    factory="ocr_trainer_timm.features:factory",
)
