"""The parts of the network, compared with torch's own."""

import math
from itertools import chain

import pytest
import torch
from ocr_trainer_parseq.network import Attention, Decoder, Encoder
from torch import nn

DIM, HEADS = 24, 3


def randomized(module, seed=0):
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.3)
    return module.eval()


def packed(attention):
    """Return the weights as torch's attention names them."""
    return {
        "in_proj_weight": torch.cat([attention.query.weight, attention.key_value.weight]),
        "in_proj_bias": torch.cat([attention.query.bias, attention.key_value.bias]),
        "out_proj.weight": attention.out.weight,
        "out_proj.bias": attention.out.bias,
    }


def test_attention_equals_torchs():
    ours = randomized(Attention(DIM, HEADS))
    theirs = nn.MultiheadAttention(DIM, HEADS, batch_first=True).eval()
    theirs.load_state_dict(packed(ours))
    queries, tokens = torch.randn(2, 4, DIM), torch.randn(2, 6, DIM)
    visible = torch.rand(4, 6) < 0.6
    visible[:, 0] = True
    with torch.no_grad():
        for mask in (None, visible):
            expected, _ = theirs(queries, tokens, tokens, attn_mask=None if mask is None else ~mask)
            torch.testing.assert_close(ours(queries, ours.keys(tokens), mask), expected)


def as_torch_layer(layer):
    theirs = nn.TransformerEncoderLayer(
        DIM, HEADS, 4 * DIM, 0.0, "gelu", 1e-6, batch_first=True, norm_first=True
    ).eval()
    theirs.load_state_dict(
        {f"self_attn.{name}": value for name, value in packed(layer.attention).items()}
        | {f"norm1.{name}": value for name, value in layer.norm_attention.state_dict().items()}
        | {f"norm2.{name}": value for name, value in layer.norm_mlp.state_dict().items()}
        | {f"linear1.{name}": value for name, value in layer.mlp[0].state_dict().items()}
        | {f"linear2.{name}": value for name, value in layer.mlp[3].state_dict().items()}
    )
    return theirs


@pytest.mark.parametrize("width", [24, 16])
def test_the_encoder_equals_torchs_layers_over_patches_in_row_order(width):
    ours = randomized(Encoder((8, 24), (4, 8), DIM, 2, HEADS))
    images = torch.randn(2, 3, 8, width)
    patches = [
        images[:, :, top : top + 4, left : left + 8].flatten(1)
        for top in (0, 4)
        for left in range(0, width, 8)
    ]
    x = torch.stack(patches, dim=1) @ ours.patches.weight.flatten(1).T + ours.patches.bias
    places = [ours.positions[0, :, row, column] for row in (0, 1) for column in range(width // 8)]
    x = x + torch.stack(places)
    with torch.no_grad():
        for layer in ours.layers:
            x = as_torch_layer(layer)(x)
        torch.testing.assert_close(ours(images, None), ours.norm(x), atol=1e-4, rtol=1e-4)


def test_initial_weights_are_the_authors():
    torch.manual_seed(0)
    encoder, decoder = Encoder((32, 128), (4, 8), 192, 2, 3), Decoder(97, 26, 192, 6, 0.1)
    narrow = [
        encoder.positions,
        encoder.layers[0].attention.key_value.weight,
        decoder.text.weight,
        decoder.places,
        decoder.text_attention.out.weight,
        decoder.mlp[0].weight,
    ]
    assert [w.std().item() for w in narrow] == pytest.approx([0.02] * len(narrow), rel=0.05)
    torchs = nn.MultiheadAttention(192, 6).in_proj_weight.std().item()
    assert torchs == pytest.approx(math.sqrt(2 / (4 * 192)), rel=0.02)
    for attention in (decoder.text_attention, decoder.image_attention):
        for part in (attention.query, attention.key_value):
            assert part.weight.std().item() == pytest.approx(torchs, rel=0.02)
    biases = [p for n, p in (*encoder.named_parameters(), *decoder.named_parameters()) if n.endswith("bias")]
    assert [p for p in biases if p.any() and p is not encoder.patches.bias] == []


def test_the_context_can_be_passed_in_slices():
    decoder = randomized(Decoder(9, 7, DIM, HEADS, 0.0))
    tokens = torch.randint(9, (2, 5))
    with torch.no_grad():
        whole = decoder.text_keys(tokens)
        parts = [decoder.text_keys(tokens[:, place : place + 1], place) for place in range(5)]
        other = decoder.text_keys(tokens.flip(1))
    torch.testing.assert_close(torch.cat(parts, dim=3), whole)
    assert not torch.allclose(other.flip(3), whole)  # positions encode the order of the characters


def test_the_layers_hold_all_of_the_encoder_but_its_last_norm():
    encoder = Encoder((8, 16), (4, 8), DIM, 3, HEADS)
    names = {parameter: name for name, parameter in encoder.named_parameters()}
    patches, *layers = [[names[p] for p in layer] for layer in encoder.layers_by_depth()]
    assert patches == ["patches.weight", "patches.bias", "positions"]
    assert [{name.split(".")[1] for name in layer} for layer in layers] == [{"0"}, {"1"}, {"2"}]
    assert {*names.values()} - {*patches, *chain(*layers)} == {"norm.weight", "norm.bias"}
