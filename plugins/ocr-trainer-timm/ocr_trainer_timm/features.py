"""Feature extractors of timm as backbones."""

from __future__ import annotations

from types import ModuleType

import torch
from torch import Tensor, nn

from ocr_trainer.errors import ConfigError, did_you_mean
from ocr_trainer.plugin import Context
from ocr_trainer.tasks.detection import Backbone
from ocr_trainer.tasks.detection.backbone import PROBE, STRIDES
from ocr_trainer_timm.plugin import TimmConfig


class TimmFeatures(Backbone):
    """A feature extractor of timm, with its last feature map at each of the strides 4, 8, 16 and 32.

    Args:
        name: A name from `timm.list_models()`, with or without the tag of its weights.

    Raises:
        ConfigError: timm cannot be imported or has no such model, or the model lacks one of the strides or
            takes images of one size only.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = f"model.backbone.name=timm/{name}"
        timm = self._import()
        if not timm.is_model(name):
            suggestion = did_you_mean(name, timm.list_models())
            raise ConfigError(f"{self.name}: timm {timm.__version__} has no such model.{suggestion}")
        try:
            self.features = timm.create_model(name, features_only=True, pretrained=False)
        except (RuntimeError, AssertionError, AttributeError) as error:  # differs between model families
            raise ConfigError(f"{self.name} is not a feature extractor: {_first_line(error)}") from error
        info = self.features.feature_info
        self.selected = self._select(info.reduction())
        self.channels = tuple(info.channels()[index] for index in self.selected)
        self.channels_last = False
        self._probe()
        pixels = self.features.pretrained_cfg
        # timm states them for pixels from 0 to 1.
        self.mean = tuple(255 * value for value in pixels["mean"])
        self.std = tuple(255 * value for value in pixels["std"])

    @property
    def network(self) -> nn.Module:
        """The module that weights are loaded into; its names are those of timm's files."""
        # timm's FeatureGetterNet keeps the network whole as `model`; its other extractors take it apart.
        inner: nn.Module = getattr(self.features, "model", self.features)
        return inner

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map float images, (batch, 3, h, w), to features at 1/4, 1/8, 1/16 and 1/32 of the size."""
        maps = self.features(x)
        features = [maps[index] for index in self.selected]
        return [feature.permute(0, 3, 1, 2) for feature in features] if self.channels_last else features

    def _import(self) -> ModuleType:
        try:
            import timm
        except ImportError as error:
            raise ConfigError(
                f"{self.name} needs timm, which cannot be imported: {_first_line(error)}\n"
                "  pip install timm, with a torchvision that fits your torch"
            ) from error
        module: ModuleType = timm
        return module

    def _select(self, strides: list[int]) -> list[int]:
        """Return the index of the last, deepest feature map at each stride of `STRIDES`."""
        if missing := ", ".join(str(stride) for stride in STRIDES if stride not in strides):
            available = ", ".join(map(str, strides))
            raise ConfigError(f"{self.name} has features at strides {available}, but none at {missing}")
        return [len(strides) - 1 - strides[::-1].index(stride) for stride in STRIDES]

    @torch.no_grad()
    def _probe(self) -> None:
        """Run the network once: some extractors take one image size only, others put the channels last."""
        self.eval()  # the probe must not change running statistics
        try:
            shapes = [tuple(feature.shape[1:]) for feature in self(torch.zeros(1, 3, *PROBE))]
        except (RuntimeError, AssertionError) as error:
            raise ConfigError(
                f"{self.name} does not take images of any size: {_first_line(error)}"
            ) from error
        sizes = [(PROBE[0] // stride, PROBE[1] // stride) for stride in STRIDES]
        self.channels_last = shapes == [(*size, c) for size, c in zip(sizes, self.channels, strict=True)]
        if not self.channels_last and shapes != [(c, *s) for s, c in zip(sizes, self.channels, strict=True)]:
            raise ConfigError(f"{self.name} returns features of sizes {shapes}, not {sizes}")
        self.train()


def factory(config: TimmConfig, context: Context) -> TimmFeatures:
    """Return the extractor that the options choose."""
    return TimmFeatures(config.model)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
