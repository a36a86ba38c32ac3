"""The authors' weights: names and shapes as in their files, and the same logits as torch's layers make of them.

The network below reads tensors by the authors' names and computes with torch's own attention, which stacks
the projections as they do.
"""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from ocr_trainer_parseq.model import PARSeq
from ocr_trainer_parseq.plugin import PARSeqConfig, Size
from ocr_trainer_parseq.published import FULL, LOWERCASE, convert
from torch import Tensor
from torch.nn import functional as F

from ocr_trainer.checkpoint.init_from import load_initial_weights
from ocr_trainer.config.compose import compose
from ocr_trainer.errors import CheckpointError
from ocr_trainer.plugin import Context, Task
from ocr_trainer.tasks.recognition.task import RecognitionTask

PRINTABLE = "".join(map(chr, range(33, 127)))
LENGTH = 25
"""Longest text of the published weights."""


def shapes(dim: int, patch: tuple[int, int], patches: int, characters: int) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes in the authors' files (parseq-bb5792a6.pt and its siblings)."""
    inner = 4 * dim
    found: dict[str, tuple[int, ...]] = {
        "pos_queries": (1, LENGTH + 1, dim),
        "encoder.pos_embed": (1, patches, dim),
        "encoder.patch_embed.proj.weight": (dim, 3, *patch),
        "encoder.patch_embed.proj.bias": (dim,),
    }
    for k in range(12):
        block = f"encoder.blocks.{k}"
        found |= {
            f"{block}.{norm}.{part}": (dim,) for norm in ("norm1", "norm2") for part in ("weight", "bias")
        }
        found |= {f"{block}.attn.qkv.weight": (3 * dim, dim), f"{block}.attn.qkv.bias": (3 * dim,)}
        found |= {f"{block}.attn.proj.weight": (dim, dim), f"{block}.attn.proj.bias": (dim,)}
        found |= {f"{block}.mlp.fc1.weight": (inner, dim), f"{block}.mlp.fc1.bias": (inner,)}
        found |= {f"{block}.mlp.fc2.weight": (dim, inner), f"{block}.mlp.fc2.bias": (dim,)}
    layer = "decoder.layers.0"
    for attention in ("self_attn", "cross_attn"):
        name = f"{layer}.{attention}"
        found |= {f"{name}.in_proj_weight": (3 * dim, dim), f"{name}.in_proj_bias": (3 * dim,)}
        found |= {f"{name}.out_proj.weight": (dim, dim), f"{name}.out_proj.bias": (dim,)}
    found |= {f"{layer}.linear1.weight": (inner, dim), f"{layer}.linear1.bias": (inner,)}
    found |= {f"{layer}.linear2.weight": (dim, inner), f"{layer}.linear2.bias": (dim,)}
    norms = [
        "encoder.norm",
        "decoder.norm",
        *(f"{layer}.{norm}" for norm in ("norm1", "norm2", "norm_q", "norm_c")),
    ]
    found |= {f"{norm}.{part}": (dim,) for norm in norms for part in ("weight", "bias")}
    found |= {"head.weight": (characters + 1, dim), "head.bias": (characters + 1,)}
    return found | {"text_embed.embedding.weight": (characters + 3, dim)}


TINY = shapes(192, (4, 8), 128, 94)
BASE = shapes(384, (4, 8), 128, 94)
SMALL_PATCH16 = shapes(384, (16, 16), 196, 94)


def random_weights(wanted: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    torch.manual_seed(0)
    scales = {name: 1.0 if "norm" in name and name.endswith("weight") else 0.0 for name in wanted}
    return {name: scales[name] + 0.1 * torch.randn(shape) for name, shape in wanted.items()}


def zeros(wanted: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    return {name: torch.zeros(shape) for name, shape in wanted.items()}


def saved(tensors: dict[str, Tensor], path: Path, prefix: str = "") -> Path:
    torch.save({prefix + name: value for name, value in tensors.items()}, path)
    return path


def model_of(charset: str = FULL, **options: object) -> PARSeq:
    config = PARSeqConfig(name="parseq", **options)
    return PARSeq(config, Context(task=Task.recognition, charset=charset)).eval()


def attend(
    w: dict[str, Tensor], name: str, queries: Tensor, tokens: Tensor, heads: int, mask: Tensor | None
) -> Tensor:
    """Attend with torch's own multi-head attention; a mask is true where it may not look."""
    timm = f"{name}.qkv.weight" in w
    stacked, out = ("qkv.{}", "proj.{}") if timm else ("in_proj_{}", "out_proj.{}")
    parts = [w[f"{name}.{form.format(part)}"] for form in (stacked, out) for part in ("weight", "bias")]
    result, _ = F.multi_head_attention_forward(
        queries.transpose(0, 1), tokens.transpose(0, 1), tokens.transpose(0, 1), queries.shape[-1], heads,
        parts[0], parts[1], None, None, False, 0.0, parts[2], parts[3], training=False, attn_mask=mask,
    )  # fmt: skip
    return result.transpose(0, 1)


def norm(w: dict[str, Tensor], name: str, x: Tensor, eps: float) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"], eps)


def mlp(w: dict[str, Tensor], first: str, second: str, x: Tensor) -> Tensor:
    return F.linear(
        F.gelu(F.linear(x, w[f"{first}.weight"], w[f"{first}.bias"])),
        w[f"{second}.weight"],
        w[f"{second}.bias"],
    )


def encode(w: dict[str, Tensor], images: Tensor, heads: int) -> Tensor:
    patch = w["encoder.patch_embed.proj.weight"]
    x = F.conv2d(
        (images / 255 - 0.5) / 0.5, patch, w["encoder.patch_embed.proj.bias"], stride=patch.shape[2:]
    )
    x = x.flatten(2).transpose(1, 2) + w["encoder.pos_embed"]
    for k in range(12):
        block = f"encoder.blocks.{k}"
        y = norm(w, f"{block}.norm1", x, 1e-6)
        x = x + attend(w, f"{block}.attn", y, y, heads, None)
        x = x + mlp(w, f"{block}.mlp.fc1", f"{block}.mlp.fc2", norm(w, f"{block}.norm2", x, 1e-6))
    return norm(w, "encoder.norm", x, 1e-6)


def logits_of(w: dict[str, Tensor], memory: Tensor, tokens: Tensor, heads: int, mask: Tensor) -> Tensor:
    """Return the logits of every position, given the tokens of the authors' vocabulary; the first is [B]."""
    embedded = math.sqrt(memory.shape[-1]) * F.embedding(tokens, w["text_embed.embedding.weight"])
    places = w["pos_queries"]
    content = torch.cat([embedded[:, :1], embedded[:, 1:] + places[:, : tokens.shape[1] - 1]], dim=1)
    layer = "decoder.layers.0"
    x = places[:, : len(mask)].expand(len(memory), -1, -1)
    content = norm(w, f"{layer}.norm_c", content, 1e-5)
    x = x + attend(w, f"{layer}.self_attn", norm(w, f"{layer}.norm_q", x, 1e-5), content, heads, mask)
    x = x + attend(w, f"{layer}.cross_attn", norm(w, f"{layer}.norm1", x, 1e-5), memory, heads, None)
    x = x + mlp(w, f"{layer}.linear1", f"{layer}.linear2", norm(w, f"{layer}.norm2", x, 1e-5))
    return F.linear(norm(w, "decoder.norm", x, 1e-5), w["head.weight"], w["head.bias"])


@torch.no_grad()
def test_the_logits_are_those_of_the_authors_network(tmp_path: Path):
    published = random_weights(TINY)
    model = model_of(size=Size.tiny)
    report = load_initial_weights(
        model, model.config, saved(published, tmp_path / "tiny.pt"), RecognitionTask.adapt_weights
    )
    assert len(report.loaded) == report.total == 203
    assert [report.fresh, report.reshaped, report.left_over, report.options, dict(report.dropped)] == [
        [],
        [],
        [],
        [],
        {},
    ]
    images = torch.randint(256, (2, 3, 32, 128), dtype=torch.uint8)
    memory = encode(published, images, heads=3)
    torch.testing.assert_close(
        model(images, torch.tensor([128, 128]))["logits"].shape, torch.Size([2, 26, 95])
    )
    ours = model.encoder(images / 127.5 - 1, None)
    torch.testing.assert_close(ours, memory, rtol=1e-4, atol=1e-4)
    # [B] and a text: each position sees [B] and the characters before it.
    text = torch.tensor([[FULL.index(c) + 1 for c in "PARSeq~0"], [FULL.index(c) + 1 for c in '!"zZ]{5:']])
    begin = len(FULL) + 1
    tokens = F.pad(text, (1, 0), value=begin)
    later = torch.ones(9, 9, dtype=torch.bool).triu(1)
    expected = logits_of(published, memory, tokens, heads=6, mask=later)
    decoder = model.decoder
    hidden = decoder(decoder.places[:, :9], decoder.text_keys(tokens), decoder.image_keys(ours), ~later)
    torch.testing.assert_close(model.head(hidden), expected, rtol=1e-4, atol=1e-4)
    assert expected.std() > 0.5  # a network that ignores its input would agree, too
    assert (expected[0] - expected[1]).abs().max() > 0.5


@pytest.mark.parametrize(
    ("wanted", "options"),
    [
        (TINY, {"size": "tiny", "height": 32, "width": 128, "patch": [4, 8], "max_length": 25}),
        (BASE, {"size": "base", "height": 32, "width": 128, "patch": [4, 8], "max_length": 25}),
        (SMALL_PATCH16, {"size": "base", "height": 224, "width": 224, "patch": [16, 16], "max_length": 25}),
    ],
)
def test_every_tensor_of_the_published_files_has_its_place(wanted: dict, options: dict):
    rest = {name: torch.empty(shape, device="meta") for name, shape in wanted.items()}
    converted = convert(rest)
    assert converted is not None
    assert rest == {}
    assert converted.options == options
    assert sorted(converted.charset) == sorted(PRINTABLE)
    with torch.device("meta"):
        model = model_of(**{**options, "size": Size[options["size"]]})
    own = {name: value.shape for name, value in model.state_dict().items()}
    assert {name: value.shape for name, value in converted.tensors.items()} == own


def test_a_run_takes_the_architecture_and_keeps_the_rows_of_characters(tmp_path: Path):
    from ocr_trainer.checkpoint.architecture import take_architecture

    published = random_weights(TINY)
    path = saved(published, tmp_path / "tiny.pt", prefix="model.")  # as Lightning names them
    run = take_architecture(compose(["model=parseq", "dataset=synthetic", f"init_from={path}"]))
    assert run.model.size is Size.tiny
    model = PARSeq(run.model, Context(task=Task.recognition, charset="zé0"))
    fresh = model.head.weight.detach().clone()
    report = load_initial_weights(model, run.model, path, RecognitionTask.adapt_weights)
    assert len(report.loaded) == 203
    rows = published["head.weight"]
    expected = torch.stack([rows[0], rows[1 + FULL.index("z")], fresh[2], rows[1 + FULL.index("0")]])
    assert torch.equal(model.head.weight, expected)
    embedding = published["text_embed.embedding.weight"]
    assert torch.equal(model.decoder.text.weight[-2:], embedding[-2:])  # [B] and [P]


def test_an_unknown_charset_leaves_its_rows_out():
    rest = zeros(shapes(192, (4, 8), 128, 70))
    converted = convert(rest)
    assert converted is not None
    assert rest == {}
    assert converted.charset == ""
    reason = "their characters are not in the file"
    assert converted.dropped == dict.fromkeys(("head.weight", "head.bias", "decoder.text.weight"), reason)
    assert not set(converted.dropped) & set(converted.tensors)
    converted = convert(zeros(shapes(192, (4, 8), 128, 36)))
    assert converted is not None
    assert converted.charset == LOWERCASE


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"decoder.layers.1.norm1.bias": (192,)}, "has tensors that baudm/parseq does not have\n  not in this model: decoder.layers.1.norm1.bias"),
        ({"encoder.pos_embed": (1, 100, 192)}, "cannot use them: 100 patches of 4 x 8 pixels are of no published image size"),
        ({"encoder.pos_embed": (1, 128, 768)}, "cannot use them: its tokens have 768 values, not 192 or 384"),
        ({"encoder.pos_embed": (192,)}, "cannot use them: encoder.pos_embed has the shape (192,)"),
        ({"head.bias": None, **{f"encoder.blocks.{k}.mlp.fc1.{p}": None for k in range(12) for p in ("weight", "bias")}}, "fits only 178 of 203 tensors"),
    ],
)  # fmt: skip
def test_other_networks_are_refused(changes: dict, said: str, tmp_path: Path):
    wanted = {name: shape for name, shape in {**TINY, **changes}.items() if shape is not None}
    with torch.device("meta"):
        model = model_of(size=Size.tiny)
    with pytest.raises(CheckpointError) as refused:
        load_initial_weights(
            model,
            model.config,
            saved(zeros(wanted), tmp_path / "x.pt"),
            RecognitionTask.adapt_weights,
        )
    assert said in str(refused.value)
