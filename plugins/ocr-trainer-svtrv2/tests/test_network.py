import pytest
import torch
from ocr_trainer_svtrv2.blocks import Attention, Convolution, LocalBlock, RowBlock, columns
from ocr_trainer_svtrv2.network import PLANS, Encoder, Rearrangement
from ocr_trainer_svtrv2.plugin import Size
from torch import nn
from torch.nn import functional as F

PUBLISHED = {Size.tiny: 5.13, Size.small: 11.25, Size.base: 19.76}
"""Millions of parameters, with the 94 printable ASCII characters and a blank."""


@pytest.mark.parametrize("size", Size)
def test_as_many_parameters_as_published(size):
    with torch.device("meta"):
        channels = PLANS[size].channels[-1]
        parts = Encoder(PLANS[size], 0.1), Rearrangement(channels), nn.Linear(channels, 95)
        count = sum(p.numel() for part in parts for p in part.parameters())
    assert round(count / 1e6, 2) == PUBLISHED[size]


@pytest.mark.parametrize("size", Size)
@pytest.mark.parametrize("height", [8, 32, 50])
def test_shapes(size, height):
    with torch.device("meta"):
        features, mask = Encoder(PLANS[size], 0)(torch.empty(2, height, 24, 3), torch.empty(2).long())
        line = Rearrangement(features.shape[-1])(features, mask)
    rows = -(-height // 8)
    assert tuple(features.shape) == (2, rows, 6, PLANS[size].channels[-1])
    assert tuple(mask.shape) == (2, 6)
    assert tuple(line.shape) == (2, 6, PLANS[size].channels[-1])


@pytest.mark.parametrize(("width", "steps"), [(1, 1), (4, 1), (5, 2), (8, 2), (21, 6), (24, 6)])
def test_the_mask_is_as_wide_as_the_image(width, steps):
    _, mask = Encoder(PLANS[Size.tiny], 0).eval().stem(torch.zeros(1, 8, 24, 3), torch.tensor([width]))
    assert mask.tolist() == [[True] * steps + [False] * (6 - steps)]


def test_a_convolution_does_not_see_the_padding():
    conv, x = Convolution(4, 6, stride=(2, 1), groups=2), torch.randn(1, 8, 10, 4)
    own = F.conv2d(x[:, :, :7].permute(0, 3, 1, 2), conv.weight, conv.bias, (2, 1), 1, groups=2)
    padded = conv(x, columns(torch.tensor([7]), 10))
    torch.testing.assert_close(padded[:, :, :7].permute(0, 3, 1, 2), own)


def test_attention_equals_torchs():
    ours, theirs = Attention(64, bias=True), nn.MultiheadAttention(64, 2, batch_first=True)
    theirs.in_proj_weight, theirs.in_proj_bias = ours.qkv.weight, ours.qkv.bias
    theirs.out_proj.weight, theirs.out_proj.bias = ours.out.weight, ours.out.bias
    x, mask = torch.randn(3, 5, 64), columns(torch.tensor([5, 1, 3]), 5)
    expected, _ = theirs(x, x, x, key_padding_mask=~mask)
    torch.testing.assert_close(ours(x, mask), expected)


def test_rows_do_not_mix():
    block, x, mask = RowBlock(32).eval(), torch.randn(2, 3, 5, 32), columns(torch.tensor([5, 3]), 5)
    before, changed = block(x, mask), x.clone()
    changed[:, 1] += torch.randn(5, 32)
    after = block(changed, mask)
    assert torch.equal(before[:, ::2], after[:, ::2])
    assert not torch.isclose(before[:, 1], after[:, 1]).all()


def test_the_token_selects_rows():
    """Each column is the mean of its rows' values, weighted by the softmax of their keys times the token."""
    net, x, mask = Rearrangement(32), torch.randn(2, 3, 5, 32), columns(torch.tensor([5, 3]), 5)
    rows = net.row(x, mask)
    for b in range(2):
        for w in range(5):
            weights = torch.stack([net.key(rows[b, h, w]) @ net.token for h in range(3)]).softmax(0)
            expected = sum(weights[h] * net.value(rows[b, h, w]) for h in range(3))
            torch.testing.assert_close(net(x, mask)[b, w], expected)


def test_drop_path_drops_whole_images_and_keeps_the_mean():
    torch.manual_seed(0)
    block = LocalBlock(32, drop_path=0.25)
    kept = block.drop(torch.ones(4000, 1, 2, 3)).flatten(1)
    assert torch.equal(kept.min(1).values, kept.max(1).values)
    assert kept.unique().tolist() == pytest.approx([0, 4 / 3])
    assert kept.mean().item() == pytest.approx(1, abs=0.05)
    assert torch.equal(block.eval().drop(torch.ones(9, 1, 1, 1)), torch.ones(9, 1, 1, 1))


def test_drop_path_grows_linearly_with_depth():
    rates = [block.drop_path for stage in Encoder(PLANS[Size.tiny], 0.1).stages for block in stage]
    assert rates == pytest.approx([0.1 * i / 11 for i in range(12)])


def test_the_layers_hold_each_parameter_once_from_the_stem_up():
    with torch.device("meta"):
        encoder = Encoder(PLANS[Size.tiny], 0)
    layers = encoder.layers_by_depth()
    assert len(layers) == 1 + sum(map(len, PLANS[Size.tiny].blocks))
    held = [p for layer in layers for p in layer]
    assert len(held) == len(set(held)) == len(list(encoder.parameters()))
    # The width of the blocks grows from stage to stage.
    widths = [max(p.shape[0] for p in layer if p.ndim == 1) for layer in layers]
    assert widths == sorted(widths)
