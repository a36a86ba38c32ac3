"""ResNet (He et al., CVPR 2016) that returns the features of its four stages.

Modules are named as in torchvision and timm, so that published weights fit. Bottlenecks have their stride
in the 3x3 convolution ("v1.5").
"""

from __future__ import annotations

from torch import Tensor, nn

from ocr_trainer.plugin import Context
from ocr_trainer.tasks.detection import Backbone
from ocr_trainer_dbnet.plugin import ResNetConfig


def _conv3x3(channels_in: int, channels_out: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False)


def _shortcut(channels_in: int, channels_out: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and channels_in == channels_out:
        return None
    conv = nn.Conv2d(channels_in, channels_out, 1, stride, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels_out))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut."""

    expansion = 1

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _conv3x3(channels_in, channels, stride)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = _conv3x3(channels, channels)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(channels_in, channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, channels_in, h, w) to (batch, channels, h / stride, w / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)) + shortcut)
        return x


class Bottleneck(nn.Module):
    """A 3x3 convolution between two 1x1 convolutions, with a shortcut."""

    expansion = 4

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = _conv3x3(channels, channels, stride)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, channels * self.expansion, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(channels_in, channels * self.expansion, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, channels_in, h, w) to (batch, 4 * channels, h / stride, w / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.relu(self.bn3(self.conv3(x)) + shortcut)
        return x


DEPTHS: dict[str, tuple[type[BasicBlock] | type[Bottleneck], tuple[int, int, int, int]]] = {
    "resnet18": (BasicBlock, (2, 2, 2, 2)),
    "resnet34": (BasicBlock, (3, 4, 6, 3)),
    "resnet50": (Bottleneck, (3, 4, 6, 3)),
}


class ResNet(Backbone):
    """A ResNet without its classifier.

    Args:
        name: A key of `DEPTHS`.
        width: Channels of the stem and of the first stage; each further stage has twice as many.
    """

    def __init__(self, name: str, width: int = 64) -> None:
        super().__init__()
        block, depths = DEPTHS[name]
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        widths = [width * block.expansion * 2**level for level in range(4)]
        self.layer1 = self._layer(block, width, width, depths[0], stride=1)
        self.layer2 = self._layer(block, widths[0], 2 * width, depths[1], stride=2)
        self.layer3 = self._layer(block, widths[1], 4 * width, depths[2], stride=2)
        self.layer4 = self._layer(block, widths[2], 8 * width, depths[3], stride=2)
        self.channels = tuple(widths)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    @staticmethod
    def _layer(
        block: type[BasicBlock] | type[Bottleneck], channels_in: int, channels: int, depth: int, stride: int
    ) -> nn.Sequential:
        first = block(channels_in, channels, stride)
        return nn.Sequential(
            first, *(block(channels * block.expansion, channels, 1) for _ in range(depth - 1))
        )

    def layers_by_depth(self) -> list[list[nn.Parameter]]:
        """Return the parameters of the stem and of each block, for `optimizer.layer_decay`."""
        blocks = [block for stage in (self.layer1, self.layer2, self.layer3, self.layer4) for block in stage]
        stem = [*self.conv1.parameters(), *self.bn1.parameters()]
        return [stem, *(list(block.parameters()) for block in blocks)]

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map float images, (batch, 3, h, w), to features at 1/4, 1/8, 1/16 and 1/32 of the size."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        features = []
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
            features.append(x)
        return features


def resnet18(config: ResNetConfig, context: Context) -> ResNet:
    """Return a ResNet of 18 layers."""
    return ResNet("resnet18", config.width)


def resnet34(config: ResNetConfig, context: Context) -> ResNet:
    """Return a ResNet of 34 layers."""
    return ResNet("resnet34", config.width)


def resnet50(config: ResNetConfig, context: Context) -> ResNet:
    """Return a ResNet of 50 layers."""
    return ResNet("resnet50", config.width)
