"""Description of the `timm` backbones; importing it loads neither timm nor torch."""

from __future__ import annotations

from ocr_trainer.plugin import BackbonePlugin
from ocr_trainer.plugin.backbone import BackboneConfig

timm = BackbonePlugin(
    api=1,
    summary="feature extractors of timm, chosen as timm/NAME: ConvNeXt, MobileNet, EfficientNet, HRNet, …",
    config=BackboneConfig,
    variants=True,
    factory="ocr_trainer_timm.features:factory",
)
