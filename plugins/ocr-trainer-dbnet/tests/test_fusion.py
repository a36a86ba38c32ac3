"""Adaptive scale fusion, compared with its formulas in numpy, pixel by pixel."""

import numpy as np
import pytest
import torch
from ocr_trainer_dbnet.fusion import AdaptivePyramid, ScaleAttention
from ocr_trainer_dbnet.network import FeaturePyramid


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def convolve(x, kernel, bias=None):
    """Convolve with zero padding, one offset of the kernel at a time."""
    (out, _, size, _), (_, height, width) = kernel.shape, x.shape
    padded = np.pad(x, ((0, 0), (size // 2, size // 2), (size // 2, size // 2)))
    total = np.zeros((out, height, width)) + (0 if bias is None else bias[:, None, None])
    for dy in range(size):
        for dx in range(size):
            window = padded[:, dy : dy + height, dx : dx + width]
            total += np.einsum("oc,chw->ohw", kernel[:, :, dy, dx], window)
    return total


def attention_by_hand(x, w):
    """Return the weight of each position of each level: channel attention, spatial attention, then the gate."""
    mean = x.mean(axis=(1, 2), keepdims=True)
    x = x + sigmoid(convolve(np.maximum(convolve(mean, w["channel_wise.1"]), 0), w["channel_wise.3"]))
    place = np.maximum(convolve(x.mean(axis=0, keepdims=True), w["spatial_wise.0"]), 0)
    x = x + sigmoid(convolve(place, w["spatial_wise.2"]))
    return sigmoid(convolve(x, w["level_wise.0"]))


def arrays(module):
    return {
        name.removesuffix(".weight"): p.detach().double().numpy() for name, p in module.named_parameters()
    }


@pytest.mark.parametrize("seed", range(5))
def test_attention_is_the_formula(seed):
    torch.manual_seed(seed)
    module = ScaleAttention(16, 4)
    torch.nn.init.normal_(module.level_wise[0].weight)  # far from one half
    x = torch.randn(2, 16, 6, 9)
    with torch.no_grad():
        weights = module(x).numpy()
    assert weights.shape == (2, 4, 6, 9)
    for image, actual in zip(x.double().numpy(), weights, strict=True):
        np.testing.assert_allclose(actual, attention_by_hand(image, arrays(module)), atol=1e-5)


def test_levels_are_weighed_and_concatenated_coarsest_first():
    torch.manual_seed(0)
    widths, channels = (8, 12, 16, 20), 32
    neck = AdaptivePyramid(widths, channels)
    torch.nn.init.normal_(neck.attention.level_wise[0].weight)
    features = [torch.randn(1, c, 32 // 2**i, 48 // 2**i) for i, c in enumerate(widths)]
    with torch.no_grad():
        plain, fused = FeaturePyramid.forward(neck, features)[0].double().numpy(), neck(features)[0].numpy()
    w = arrays(neck)
    seen = convolve(plain, w["look"], w["look.bias"])
    attention = {name.removeprefix("attention."): value for name, value in w.items()}
    weights = attention_by_hand(seen, attention)
    assert weights.std() > 0.01
    for level in range(4):
        part = slice(level * channels // 4, (level + 1) * channels // 4)
        np.testing.assert_allclose(fused[part], plain[part] * weights[level], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("channels", [4, 8, 256])
def test_every_weight_gets_a_gradient_from_the_start(channels):
    for seed in range(4):
        torch.manual_seed(seed)
        neck = AdaptivePyramid((8, 8, 8, 8), channels)
        neck([torch.randn(2, 8, 32 // 2**i, 32 // 2**i) for i in range(4)]).square().sum().backward()
        assert all(p.grad is not None for p in neck.parameters())
        assert neck.attention.spatial_wise[0].weight.grad.any()


def test_every_gate_starts_near_one_half():
    torch.manual_seed(0)
    with torch.no_grad():
        weights = ScaleAttention(64, 4)(3 * torch.randn(2, 64, 8, 8))
    assert 0.2 < weights.min() < 0.48
    assert 0.52 < weights.max() < 0.8


def test_it_adds_as_many_parameters_as_the_authors_module():
    """Counted by hand for 256 channels: 3x3 to 64 with bias, 64-16-64, 3x3 and 1x1 of one channel, 64 to 4."""
    extra = 256 * 64 * 9 + 64 + 2 * 64 * 16 + 9 + 1 + 64 * 4
    count = [
        sum(p.numel() for p in neck((64, 128, 256, 512), 256).parameters())
        for neck in (FeaturePyramid, AdaptivePyramid)
    ]
    assert count[1] - count[0] == extra
