"""Weights in the layout of MhLiao/DB: names and shapes as its code writes them, and the same maps from a twin.

The twin reads tensors by the authors' names, takes BGR images normalized as theirs, and puts the layers
together by its own hand.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from ocr_trainer_dbnet.model import DBNet, DBNetPP
from ocr_trainer_dbnet.plugin import DBNetConfig, ResNetConfig
from ocr_trainer_dbnet.published import dbnet, dbnetpp
from torch import Tensor
from torch.nn import functional as F

from ocr_trainer.checkpoint.init_from import load_initial_weights
from ocr_trainer.checkpoint.published import open_initial
from ocr_trainer.errors import CheckpointError
from ocr_trainer.plugin import Context, Task
from ocr_trainer.tasks.detection.backbone import IMAGENET_MEAN

Shapes = dict[str, tuple[int, ...]]
PREFIX = "model.module."
"""What precedes all names: the network is wrapped twice."""
BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3)}


def bn(name: str, channels: int) -> Shapes:
    parts = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{part}": (channels,) for part in parts} | {f"{name}.num_batches_tracked": ()}


def backbone_shapes(name: str) -> Shapes:
    found: Shapes = {"backbone.conv1.weight": (64, 3, 7, 7)} | bn("backbone.bn1", 64)
    deep, inside = name == "resnet50", 64
    for level, (count, width) in enumerate(zip(BLOCKS[name], (64, 128, 256, 512), strict=True), start=1):
        outside = width * (4 if deep else 1)
        for k in range(count):
            block = f"backbone.layer{level}.{k}"
            kernels = ((inside, width, 1), (width, width, 3), (width, outside, 1))
            if not deep:
                kernels = ((inside, width, 3), (width, width, 3))
            for number, (c_in, c_out, size) in enumerate(kernels, start=1):
                found |= {f"{block}.conv{number}.weight": (c_out, c_in, size, size)} | bn(
                    f"{block}.bn{number}", c_out
                )
            if k == 0 and (level > 1 or deep):
                found |= {f"{block}.downsample.0.weight": (outside, inside, 1, 1)} | bn(
                    f"{block}.downsample.1", outside
                )
            inside = outside
    # An ImageNet classifier and a layer that the detector does not use are saved with it.
    found |= {"backbone.fc.weight": (1000, inside), "backbone.fc.bias": (1000,)}
    return found | {"backbone.smooth.weight": (256, 2048, 1, 1), "backbone.smooth.bias": (256,)}


def shapes(name: str = "resnet18", channels: int = 256, fusion: bool = False) -> Shapes:
    """Return the names and shapes of a backbone and SegDetector, or SegSpatialScaleDetector with fusion."""
    found, narrow, expansion = backbone_shapes(name), channels // 4, 4 if name == "resnet50" else 1
    for level, width in zip((2, 3, 4, 5), (64, 128, 256, 512), strict=True):
        found[f"decoder.in{level}.weight"] = (channels, width * expansion, 1, 1)
        out = "out2" if level == 2 else f"out{level}.0"
        found[f"decoder.{out}.weight"] = (narrow, channels, 3, 3)
    for head in ("binarize", "thresh"):
        found |= {f"decoder.{head}.0.weight": (narrow, channels, 3, 3)} | bn(f"decoder.{head}.1", narrow)
        found |= {f"decoder.{head}.3.weight": (narrow, narrow, 2, 2), f"decoder.{head}.3.bias": (narrow,)}
        found |= bn(f"decoder.{head}.4", narrow)
        found |= {f"decoder.{head}.6.weight": (narrow, 1, 2, 2), f"decoder.{head}.6.bias": (1,)}
    if fusion:
        asf = "decoder.concat_attention"
        found |= {f"{asf}.conv.weight": (narrow, channels, 3, 3), f"{asf}.conv.bias": (narrow,)}
        attention = f"{asf}.enhanced_attention"
        found |= {f"{attention}.channel_wise.1.weight": (narrow // 4, narrow, 1, 1)}
        found |= {f"{attention}.channel_wise.3.weight": (narrow, narrow // 4, 1, 1)}
        found |= {
            f"{attention}.spatial_wise.0.weight": (1, 1, 3, 3),
            f"{attention}.spatial_wise.2.weight": (1, 1, 1, 1),
        }
        found |= {f"{attention}.attention_wise.0.weight": (4, narrow, 1, 1)}
    return found


def random_weights(wanted: Shapes) -> dict[str, Tensor]:
    torch.manual_seed(0)
    weights = {}
    for name, shape in wanted.items():
        if name.endswith("num_batches_tracked"):
            weights[name] = torch.tensor(3)
        elif len(shape) == 4:
            weights[name] = torch.randn(shape) * (2 / (shape[1] * shape[2] * shape[3])) ** 0.5
        else:
            weights[name] = 0.1 * torch.randn(shape)
        if (
            name.endswith(("running_var", ".bn1.weight", ".bn2.weight", ".1.weight", ".4.weight"))
            and len(shape) == 1
        ):
            weights[name] = 0.8 + weights[name].abs()
    return weights


def saved(tensors: dict[str, Tensor], path: Path) -> Path:
    torch.save({PREFIX + name: value for name, value in tensors.items()}, path)
    return path


def model_of(cls: type[DBNet] = DBNet, backbone: str = "resnet18", channels: int = 256) -> DBNet:
    name = "dbnetpp" if cls is DBNetPP else "dbnet"
    config = DBNetConfig(name=name, backbone=ResNetConfig(name=backbone), neck_channels=channels)
    return cls(config, Context(task=Task.detection)).eval()


def norm(w: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    return F.batch_norm(
        x, *(w[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
    )


def twin(w: dict[str, Tensor], images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the logits of probabilities and thresholds of the network with a ResNet of 18 layers.

    The authors pad normalized images with zeros, which is another gray there than here. The twin pads with
    ImageNet's mean, as zeros mean here: only the outermost pixels differ from the authors'.
    """
    height, width = images.shape[2:]
    padded = torch.tensor(IMAGENET_MEAN)[:, None, None].expand(1, 3, height + 6, width + 6).clone()
    padded[:, :, 3:-3, 3:-3] = images
    x = padded.flip(1) - torch.tensor([122.67891434, 116.66876762, 104.00698793])[:, None, None]
    x = F.conv2d(x / 255, w["backbone.conv1.weight"], stride=2)
    x = F.max_pool2d(F.relu(norm(w, "backbone.bn1", x)), 3, 2, 1)
    features = []
    for level in (1, 2, 3, 4):
        for k in (0, 1):
            block, stride = f"backbone.layer{level}.{k}", 1 + (level > 1 and k == 0)
            y = F.relu(
                norm(w, f"{block}.bn1", F.conv2d(x, w[f"{block}.conv1.weight"], stride=stride, padding=1))
            )
            y = norm(w, f"{block}.bn2", F.conv2d(y, w[f"{block}.conv2.weight"], padding=1))
            if stride == 2:
                x = norm(w, f"{block}.downsample.1", F.conv2d(x, w[f"{block}.downsample.0.weight"], stride=2))
            x = F.relu(x + y)
        features.append(x)
    merged: list[Tensor] = []
    for level, feature in zip((5, 4, 3, 2), features[::-1], strict=True):
        lateral = F.conv2d(feature, w[f"decoder.in{level}.weight"])
        merged.append(lateral + F.interpolate(merged[-1], scale_factor=2.0) if merged else lateral)
    levels = []
    for level, x in zip((5, 4, 3, 2), merged, strict=True):
        out = "out2" if level == 2 else f"out{level}.0"
        levels.append(
            F.interpolate(F.conv2d(x, w[f"decoder.{out}.weight"], padding=1), scale_factor=2.0 ** (level - 2))
        )
    fused = torch.cat(levels, dim=1)
    if "decoder.concat_attention.conv.weight" in w:
        fused = fuse(w, fused, levels)
    maps = []
    for head in ("binarize", "thresh"):
        name = f"decoder.{head}"
        x = F.relu(norm(w, f"{name}.1", F.conv2d(fused, w[f"{name}.0.weight"], padding=1)))
        x = F.conv_transpose2d(x, w[f"{name}.3.weight"], w[f"{name}.3.bias"], stride=2)
        x = F.conv_transpose2d(
            F.relu(norm(w, f"{name}.4", x)), w[f"{name}.6.weight"], w[f"{name}.6.bias"], stride=2
        )
        maps.append(x.squeeze(1))
    return maps[0], maps[1]


def fuse(w: dict[str, Tensor], fused: Tensor, levels: list[Tensor]) -> Tensor:
    asf = "decoder.concat_attention"
    name = f"{asf}.enhanced_attention"
    x = F.conv2d(fused, w[f"{asf}.conv.weight"], w[f"{asf}.conv.bias"], padding=1)
    pooled = F.relu(F.conv2d(x.mean((2, 3), keepdim=True), w[f"{name}.channel_wise.1.weight"]))
    x = x + F.conv2d(pooled, w[f"{name}.channel_wise.3.weight"]).sigmoid()
    spatial = F.relu(F.conv2d(x.mean(1, keepdim=True), w[f"{name}.spatial_wise.0.weight"], padding=1))
    x = x + F.conv2d(spatial, w[f"{name}.spatial_wise.2.weight"]).sigmoid()
    gates = F.conv2d(x, w[f"{name}.attention_wise.0.weight"]).sigmoid()
    return torch.cat([gates[:, k : k + 1] * level for k, level in enumerate(levels)], dim=1)


@torch.no_grad()
@pytest.mark.parametrize("cls", [DBNet, DBNetPP])
def test_the_maps_are_those_of_the_authors_network(cls: type[DBNet], tmp_path: Path):
    published = random_weights(shapes(channels=32, fusion=cls is DBNetPP))
    model = model_of(cls, channels=32)
    path = saved(published, tmp_path / "final")
    assert open_initial(path, model.config.name).config["model"] == {
        "name": model.config.name,
        "backbone": {"name": "resnet18", "weights": None, "width": 64},
        "neck_channels": 32,
    }
    report = load_initial_weights(model, model.config, path)
    assert len(report.loaded) == report.total == (165 if cls is DBNetPP else 158)
    assert set(report.dropped) == {
        f"backbone.{layer}.{part}" for layer in ("fc", "smooth") for part in ("weight", "bias")
    }
    assert report.left_over == report.options == []
    images = torch.randint(256, (1, 3, 64, 96), dtype=torch.uint8)
    probability, threshold = twin(published, images.float())
    torch.testing.assert_close(model(images)["probability"], probability.sigmoid(), rtol=1e-3, atol=1e-4)
    features = model.neck(model.backbone((images - model.mean) / model.std))
    torch.testing.assert_close(model.threshold(features).squeeze(1), threshold, rtol=1e-3, atol=1e-3)
    assert min(probability.std(), threshold.std()) > 0.05


@pytest.mark.parametrize(
    ("name", "channels", "layout", "cls"),
    [
        ("resnet18", 256, dbnet, DBNet),
        ("resnet34", 64, dbnet, DBNet),
        ("resnet50", 256, dbnet, DBNet),
        ("resnet50", 256, dbnetpp, DBNetPP),
    ],
)
def test_every_tensor_has_its_place(name: str, channels: int, layout: Callable[..., Any], cls: type[DBNet]):
    wanted = shapes(name, channels, fusion=cls is DBNetPP)
    rest = {PREFIX + name: torch.empty(shape) for name, shape in wanted.items()}
    converted = layout(rest)
    assert rest == {}
    assert converted.options == {
        "backbone": {"name": name, "weights": None, "width": 64},
        "neck_channels": channels,
    }
    with torch.device("meta"):
        own = {name: value.shape for name, value in model_of(cls, name, channels).state_dict().items()}
    assert {name: value.shape for name, value in converted.tensors.items()} == own


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"backbone.layer2.0.conv2_offset.weight": (27, 128, 3, 3)}, "cannot use them: their backbone has deformable convolutions"),
        ({"decoder.concat_attention.conv.weight": (64, 256, 3, 3)}, "cannot use them: they have adaptive scale fusion: model=dbnetpp"),
        ({"backbone.layer4.2.conv1.weight": (512, 512, 3, 3)}, "cannot use them: their backbone, with [2, 2, 2, 3] blocks, is none of resnet18, resnet34, resnet50"),
        ({"decoder.in2.bias": (256,)}, "has tensors that MhLiao/DB does not have\n  not in this model: decoder.in2.bias\n"),
        ({"decoder.in2.weight": None}, "is neither a checkpoint of ocr-trainer nor published weights that model=dbnet can load"),
        ({"backbone.conv1.weight": None}, "has names of MhLiao/DB, but tensors are missing or have other shapes (KeyError: 'backbone.conv1.weight')"),
    ],
)  # fmt: skip
def test_other_networks_are_refused(changes: dict, said: str, tmp_path: Path):
    wanted = {name: shape for name, shape in {**shapes(), **changes}.items() if shape is not None}
    with torch.device("meta"):
        model = model_of()
    path = saved({name: torch.zeros(shape) for name, shape in wanted.items()}, tmp_path / "final")
    with pytest.raises(CheckpointError) as refused:
        load_initial_weights(model, model.config, path)
    assert said in str(refused.value)
