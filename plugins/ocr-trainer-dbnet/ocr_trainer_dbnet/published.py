"""The layout of weights that the code of DBNet's authors (MhLiao/DB) writes: its names and shapes.

Their images are BGR, (v - mean) / 255; the first layer is converted so that it takes RGB normalized as here.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor

from ocr_trainer.checkpoint.published import Converted, rename, strip_prefix
from ocr_trainer.tasks.detection.backbone import IMAGENET_MEAN, IMAGENET_STD
from ocr_trainer_dbnet.resnet import DEPTHS, Bottleneck

MARKER = "decoder.in2.weight"
BGR_MEAN = (122.67891434, 116.66876762, 104.00698793)
"""What they subtract from blue, green and red, in this order, before they divide by 255."""
LEVELS = {2: 0, 3: 1, 4: 2, 5: 3}
NECK = {rf"decoder\.in{level}\.weight": f"neck.lateral.{index}.weight" for level, index in LEVELS.items()}
NECK |= {
    rf"decoder\.out{level}\.(?:0\.)?weight": f"neck.smooth.{index}.weight" for level, index in LEVELS.items()
}
HEADS = {
    rf"decoder\.{theirs}\.([013467]\..+)": rf"{ours}.\1"
    for theirs, ours in (("binarize", "probability"), ("thresh", "threshold"))
}
BACKBONE = {r"(backbone\.(?:conv1|bn1|layer[1-4]\..+)\..+)": r"\1"}
ATTENTION = r"decoder\.concat_attention\.enhanced_attention\."
FUSION = {
    r"decoder\.concat_attention\.conv\.(.+)": r"neck.look.\1",
    ATTENTION + r"(channel_wise|spatial_wise)\.(.+)": r"neck.attention.\1.\2",
    ATTENTION + r"attention_wise\.(.+)": r"neck.attention.level_wise.\1",
}
"""Adaptive scale fusion with the attention `scale_channel_spatial`."""


def dbnet(tensors: dict[str, Tensor]) -> Converted | None:
    """Convert the tensors of a DBNet; see `PublishedWeights.layout`.

    Raises:
        ValueError: The network has parts that DBNet does not have here.
    """
    if not strip_prefix(tensors, MARKER):
        return None
    if any(name.startswith("decoder.concat_attention.") for name in tensors):
        raise ValueError("they have adaptive scale fusion: model=dbnetpp")
    return _convert(tensors, {})


def dbnetpp(tensors: dict[str, Tensor]) -> Converted | None:
    """Convert the tensors of a DBNet++, or of a DBNet as far as they go; see `PublishedWeights.layout`.

    Raises:
        ValueError: The network has parts that DBNet++ does not have here.
    """
    return _convert(tensors, FUSION) if strip_prefix(tensors, MARKER) else None


def _convert(tensors: dict[str, Tensor], rules: dict[str, str]) -> Converted:
    if any("conv2_offset" in name for name in tensors):
        raise ValueError("their backbone has deformable convolutions")
    neck_channels = len(tensors[MARKER])
    unused = [name for name in tensors if re.match(r"backbone\.(fc|smooth)\.", name)]
    dropped = dict.fromkeys(unused, "which DBNet does not use")
    for name in unused:
        del tensors[name]
    new = rename(tensors, {**BACKBONE, **NECK, **HEADS, **rules})
    name = _backbone(new)
    _convert_stem(new)
    backbone = {"name": name, "weights": None, "width": len(new["backbone.conv1.weight"])}
    return Converted(new, {"backbone": backbone, "neck_channels": neck_channels}, dropped=dropped)


def _backbone(tensors: dict[str, Tensor]) -> str:
    """Return the name of the backbone whose layers have these numbers of blocks."""
    blocks = {part[0] for name in tensors if (part := re.match(r"backbone\.layer\d\.\d+\.", name))}
    found = [sum(block.startswith(f"backbone.layer{k}.") for block in blocks) for k in (1, 2, 3, 4)]
    deep = any(name.endswith(".conv3.weight") for name in tensors)
    for name, (block, depths) in DEPTHS.items():
        if list(depths) == found and deep == (block is Bottleneck):
            return name
    raise ValueError(f"their backbone, with {found} blocks, is none of {', '.join(DEPTHS)}")


def _convert_stem(tensors: dict[str, Tensor]) -> None:
    """Convert the first convolution and the norm behind it to this model's images, in place.

    Beyond the edge of an image, zeros stand for another gray than with the authors, so the outermost pixels
    differ a little.
    """
    weight = tensors["backbone.conv1.weight"].flip(1)  # BGR to RGB
    mean, std, theirs = (
        torch.tensor(values, dtype=weight.dtype) for values in (IMAGENET_MEAN, IMAGENET_STD, BGR_MEAN[::-1])
    )
    shift = (weight.sum((2, 3)) * (mean - theirs) / 255).sum(1)
    tensors["backbone.conv1.weight"] = weight * (std / 255)[:, None, None]
    tensors["backbone.bn1.running_mean"] = tensors["backbone.bn1.running_mean"] - shift
