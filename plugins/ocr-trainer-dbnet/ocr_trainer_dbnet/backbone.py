"""The network below the pyramid: a ResNet of ours, or a feature extractor of timm."""

from __future__ import annotations

import logging
from types import ModuleType

import torch
from torch import Tensor, nn

from ocr_trainer.errors import ConfigError, did_you_mean
from ocr_trainer_dbnet.plugin import TIMM, BackboneConfig
from ocr_trainer_dbnet.resnet import ResNet
from ocr_trainer_dbnet.weights import load_backbone

log = logging.getLogger("ocr_trainer")

STRIDES = (4, 8, 16, 32)
PROBE = (64, 96)
"""Height and width of the image an extractor is tried with: no square, and no size a network is made for."""


def make_backbone(config: BackboneConfig) -> ResNet | TimmFeatures:
    """Make the network and give it its first weights; the log says what was loaded and what was left over.

    Raises:
        ConfigError: The network is not to be had, or cannot serve.
        CheckpointError: The weights are not to be had, cannot be read, or do not fit.
    """
    own = not config.name.startswith(TIMM)
    backbone = ResNet(config.name) if own else TimmFeatures(config.name.removeprefix(TIMM))
    if config.weights is not None:
        log.info("model.backbone: %s", load_backbone(backbone.network, config.weights))
    return backbone


class TimmFeatures(nn.Module):
    """A feature extractor of timm: its last feature map at each of the strides 4, 8, 16 and 32.

    Args:
        name: As `timm.list_models()` has it, with or without the tag of its weights.

    Raises:
        ConfigError: timm cannot be imported or has no such model, or the model has no such features.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = f"model.backbone.name={TIMM}{name}"
        timm = self._import()
        if not timm.is_model(name):
            known = did_you_mean(name, timm.list_models())
            raise ConfigError(f"{self.name}: timm {timm.__version__} has no such model.{known}")
        try:
            self.features = timm.create_model(name, features_only=True, pretrained=False)
        except (RuntimeError, AssertionError, AttributeError) as error:  # each family has its own
            raise ConfigError(f"{self.name} is no feature extractor: {_first_line(error)}") from error
        info = self.features.feature_info
        self.chosen = self._choose(info.reduction())
        self.channels = tuple(info.channels()[index] for index in self.chosen)
        """Channels of each feature map that `forward` returns."""
        self.channels_last = False
        self._try()
        pixels = self.features.pretrained_cfg
        self.mean = tuple(255 * value for value in pixels["mean"])
        self.std = tuple(255 * value for value in pixels["std"])

    @property
    def network(self) -> nn.Module:
        """What weights are loaded into: names in it are those of timm's files."""
        # One kind of timm's extractors keeps the network whole, the others take it apart.
        inner: nn.Module = getattr(self.features, "model", self.features)
        return inner

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map (batch, 3, h, w) to features at 1/4, 1/8, 1/16 and 1/32 of the size."""
        maps = self.features(x)
        features = [maps[index] for index in self.chosen]
        return [feature.permute(0, 3, 1, 2) for feature in features] if self.channels_last else features

    def _import(self) -> ModuleType:
        try:
            import timm
        except ImportError as error:
            raise ConfigError(
                f"{self.name} needs timm, which cannot be imported: {_first_line(error)}\n"
                "  pip install 'ocr-trainer-dbnet[timm]'"
            ) from error
        return timm

    def _choose(self, strides: list[int]) -> list[int]:
        if missing := ", ".join(str(stride) for stride in STRIDES if stride not in strides):
            found = ", ".join(map(str, strides))
            raise ConfigError(f"{self.name} has features at strides {found}, but none at {missing}")
        return [len(strides) - 1 - strides[::-1].index(stride) for stride in STRIDES]

    @torch.no_grad()
    def _try(self) -> None:
        """Run it once: some extractors take one size of image only, others put the channels last."""
        self.eval()  # leaves running statistics alone
        try:
            shapes = [tuple(feature.shape[1:]) for feature in self(torch.zeros(1, 3, *PROBE))]
        except (RuntimeError, AssertionError) as error:
            raise ConfigError(f"{self.name} takes no images of any size: {_first_line(error)}") from error
        sizes = [(PROBE[0] // stride, PROBE[1] // stride) for stride in STRIDES]
        self.channels_last = shapes == [(*size, c) for size, c in zip(sizes, self.channels, strict=True)]
        if not self.channels_last and shapes != [(c, *s) for s, c in zip(sizes, self.channels, strict=True)]:
            raise ConfigError(f"{self.name} gives features of the sizes {shapes}, not {sizes}")
        self.train()


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
