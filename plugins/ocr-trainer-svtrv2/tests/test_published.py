"""The authors' weights: names and shapes as in OpenOCR's files, and the same logits and losses of a twin.

The network below reads tensors by the authors' names. Its features are (batch, channels, height, width), as
theirs are, and every norm stands where theirs does.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from ocr_trainer_svtrv2.model import SVTRv2
from ocr_trainer_svtrv2.plugin import Size, SVTRv2Config
from ocr_trainer_svtrv2.published import CHARSET, convert
from torch import Tensor
from torch.nn import functional as F

from ocr_trainer.checkpoint.init_from import load_initial_weights
from ocr_trainer.checkpoint.published import open_initial
from ocr_trainer.errors import CheckpointError
from ocr_trainer.plugin import Context, Task
from ocr_trainer.tasks.recognition.task import RecognitionTask

Shapes = dict[str, tuple[int, ...]]
SIZES = {
    Size.tiny: ((64, 128, 256), ("CCC", "CCC-GGG", "GGG")),
    Size.small: ((96, 192, 384), ("CCC", "CCC-GGG", "GGG")),
    Size.base: ((128, 256, 384), ("CCCCCC", "CC-GGGG", "GGGGGG")),
}
"""Channels and blocks of each stage; a dash is the step from a map to tokens, which has a number, too."""
TOKENS = 99
"""The end, 94 characters, and four tokens that only contexts have."""


def linear(name: str, inside: int, outside: int, bias: bool = True) -> Shapes:
    return {f"{name}.weight": (outside, inside)} | ({f"{name}.bias": (outside,)} if bias else {})


def norms(*names: str, channels: int) -> Shapes:
    return {f"{name}.{part}": (channels,) for name in names for part in ("weight", "bias")}


def shapes(size: Size, guided: bool) -> Shapes:
    """Return the names and shapes of SVTRv2LNConvTwo33 with an RCTCDecoder, and an SMTRDecoder beside it."""
    channels, stages = SIZES[size]
    found: Shapes = {}
    for k, (inside, outside) in enumerate(((3, channels[0] // 2), (channels[0] // 2, channels[0]))):
        stem = f"encoder.pope.patch_embed.{k}"
        found |= {f"{stem}.conv.weight": (outside, inside, 3, 3), f"{stem}.norm.num_batches_tracked": ()}
        found |= {
            f"{stem}.norm.{part}": (outside,) for part in ("weight", "bias", "running_mean", "running_var")
        }
    for stage, (dim, letters) in enumerate(zip(channels, stages, strict=True)):
        for number, letter in enumerate(letters):
            block = f"encoder.stages.{stage}.blocks.{number}"
            if letter == "C":
                for conv in ("0", "1"):
                    found |= {
                        f"{block}.mixer.{conv}.weight": (dim, 32, 3, 3),
                        f"{block}.mixer.{conv}.bias": (dim,),
                    }
            elif letter == "G":
                found |= linear(f"{block}.mixer.qkv", dim, 3 * dim) | linear(f"{block}.mixer.proj", dim, dim)
            if letter != "-":
                found |= norms(f"{block}.norm1", f"{block}.norm2", channels=dim)
                found |= linear(f"{block}.mlp.fc1", dim, 4 * dim) | linear(f"{block}.mlp.fc2", 4 * dim, dim)
        if stage < 2:
            down = f"encoder.stages.{stage}.downsample"
            found |= {
                f"{down}.conv.weight": (channels[stage + 1], dim, 3, 3),
                f"{down}.conv.bias": (channels[stage + 1],),
            }
            found |= norms(f"{down}.norm", channels=channels[stage + 1])
    dim, ctc = channels[-1], "decoder.ctc_decoder." if guided else "decoder."
    found |= (
        {f"{ctc}char_token": (1, 1, dim)} | linear(f"{ctc}fc", dim, 95) | linear(f"{ctc}fc_kv", dim, 2 * dim)
    )
    row = f"{ctc}w_atten_block"
    found |= norms(f"{row}.norm1", f"{row}.norm2", channels=dim)
    found |= linear(f"{row}.attn.qkv", dim, 3 * dim, bias=False) | linear(f"{row}.attn.proj", dim, dim)
    found |= linear(f"{row}.mlp.fc1", dim, 4 * dim) | linear(f"{row}.mlp.fc2", 4 * dim, dim)
    return found | guidance_shapes(dim) if guided else found


def guidance_shapes(dim: int) -> Shapes:
    smtr = "decoder.gtc_decoder"
    found: Shapes = {f"{smtr}.char_embed.embedding.weight": (TOKENS, dim)}
    found |= {f"{smtr}.{side}_token": (1, 1, 1, dim) for side in ("next", "pre")}
    found |= {f"{smtr}.prompt_{side}_embed": (1, 1, 6, dim) for side in ("next", "pre")}
    layer = f"{smtr}.cmff_decoder.0"
    found |= norms(*(f"{layer}.{norm}" for norm in ("normq1", "normkv1", "normq2", "normkv2")), channels=dim)
    for attention in ("images_to_question_cross_attn", "question_to_images_cross_attn"):
        name = f"{layer}.{attention}"
        found |= (
            linear(f"{name}.q", dim, dim)
            | linear(f"{name}.kv", dim, 2 * dim)
            | linear(f"{name}.proj", dim, dim)
        )
    return found | norms(f"{smtr}.norm_pred", channels=dim) | linear(f"{smtr}.ques1_head", dim, TOKENS - 3)


def random_weights(wanted: Shapes) -> dict[str, Tensor]:
    torch.manual_seed(0)
    weights = {name: 0.1 * torch.randn(shape) for name, shape in wanted.items()}
    for name in weights:
        if name.endswith("num_batches_tracked"):
            weights[name] = torch.tensor(7)
        elif name.endswith("running_var") or ("norm" in name and name.endswith("weight")):
            weights[name] = weights[name].abs() + 0.8
    return weights


def saved(tensors: dict[str, Tensor], path: Path) -> Path:
    torch.save({"epoch": 1, "state_dict": tensors, "config": {"Global": {}}, "optimizer": None}, path)
    return path


def model_of(size: Size, charset: str = CHARSET, **options: object) -> SVTRv2:
    config = SVTRv2Config(name="svtrv2", size=size, row_pre_norm=True, **options)
    return SVTRv2(config, Context(task=Task.recognition, charset=charset)).eval()


def norm(w: dict[str, Tensor], name: str, x: Tensor, eps: float = 1e-6) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"], eps)


def lin(w: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    return F.linear(x, w[f"{name}.weight"], w.get(f"{name}.bias"))


def mlp(w: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    return lin(w, f"{name}.fc2", F.gelu(lin(w, f"{name}.fc1", x)))


def attend(query: Tensor, key: Tensor, value: Tensor, heads: int, hidden: Tensor | None = None) -> Tensor:
    """Attend with scores of full size; `hidden` is true where a token may not be seen."""
    query, key, value = (x.unflatten(2, (heads, -1)).transpose(1, 2) for x in (query, key, value))
    scores = query @ key.transpose(2, 3) / query.shape[-1] ** 0.5
    if hidden is not None:
        scores = scores.masked_fill(hidden[:, None, None], -torch.inf)
    return (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)


def self_attention(w: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    return lin(w, f"{name}.proj", attend(*lin(w, f"{name}.qkv", x).chunk(3, dim=2), heads=x.shape[2] // 32))


def encode(w: dict[str, Tensor], size: Size, images: Tensor) -> Tensor:
    x = (images / 255 - 0.5) / 0.5
    for k in (0, 1):
        stem = f"encoder.pope.patch_embed.{k}"
        x = F.conv2d(x, w[f"{stem}.conv.weight"], stride=2, padding=1)
        parts = (w[f"{stem}.norm.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        x = F.gelu(F.batch_norm(x, *parts))
    channels, stages = SIZES[size]
    for stage, letters in enumerate(stages):
        for number, letter in enumerate(letters):
            if letter == "-":
                continue
            block, spatial = f"encoder.stages.{stage}.blocks.{number}", x.shape[2:]
            mixed = x
            if letter == "C":
                for conv in ("0", "1"):
                    weight, bias = (w[f"{block}.mixer.{conv}.{part}"] for part in ("weight", "bias"))
                    mixed = F.conv2d(mixed, weight, bias, padding=1, groups=channels[stage] // 32)
            tokens, mixed = (value.flatten(2).transpose(1, 2) for value in (x, mixed))
            if letter == "G":
                mixed = self_attention(w, f"{block}.mixer", tokens)
            tokens = norm(w, f"{block}.norm1", tokens + mixed)
            tokens = norm(w, f"{block}.norm2", tokens + mlp(w, f"{block}.mlp", tokens))
            x = tokens.transpose(1, 2).unflatten(2, spatial)
        if stage < 2:
            down = f"encoder.stages.{stage}.downsample"
            stride = ((1, 1), (2, 1))[stage]
            x = F.conv2d(x, w[f"{down}.conv.weight"], w[f"{down}.conv.bias"], stride=stride, padding=1)
            x = norm(w, f"{down}.norm", x.permute(0, 2, 3, 1), 1e-5).permute(0, 3, 1, 2)
    return x


def read(w: dict[str, Tensor], prefix: str, x: Tensor) -> Tensor:
    """Return the logits of RCTCDecoder; its block is normalized before each part."""
    batch, channels, height, width = x.shape
    rows = x.permute(0, 2, 3, 1).flatten(0, 1)
    name = f"{prefix}w_atten_block"
    rows = rows + self_attention(w, f"{name}.attn", norm(w, f"{name}.norm1", rows, 1e-5))
    rows = rows + mlp(w, f"{name}.mlp", norm(w, f"{name}.norm2", rows, 1e-5))
    key, value = lin(w, f"{prefix}fc_kv", rows.view(batch, height, width, channels)).chunk(2, dim=3)
    weights = (key * w[f"{prefix}char_token"]).sum(3, keepdim=True).softmax(1)
    return lin(w, f"{prefix}fc", (weights * value).sum(1))


@torch.no_grad()
@pytest.mark.parametrize("guided", [False, True])
def test_the_logits_are_those_of_the_authors_network(guided: bool, tmp_path: Path):
    published = random_weights(shapes(Size.tiny, guided))
    path = saved(published, tmp_path / "best.pth")
    options = open_initial(path, "svtrv2").config["model"]
    assert options == {"name": "svtrv2", "size": "tiny", "row_pre_norm": True, "sgm": guided} | (
        {"context": 5} if guided else {}
    )
    model = model_of(Size.tiny, sgm=guided)
    report = load_initial_weights(model, model.config, path, RecognitionTask.adapt_weights)
    assert len(report.loaded) == report.total == (211 if guided else 182)
    assert [report.left_over, report.options, dict(report.dropped)] == [[], [], {}]
    images = torch.randint(256, (2, 3, 32, 96), dtype=torch.uint8)
    widths = torch.tensor([96, 96])
    features = encode(published, Size.tiny, images)
    expected = read(published, "decoder.ctc_decoder." if guided else "decoder.", features)
    torch.testing.assert_close(model(images, widths)["logits"], expected, rtol=1e-3, atol=1e-3)
    assert expected.std() > 0.1
    if guided:
        compare_guidance(model, published, features, images, widths)


def compare_guidance(
    model: SVTRv2, w: dict[str, Tensor], features: Tensor, images: Tensor, widths: Tensor
) -> None:
    """Compare what both sides of each character say of it, for a text that is longer than the context."""
    text = [5, 9, 40, 2, 70, 33, 8]
    smtr, count = "decoder.gtc_decoder", len(text)
    before, after = TOKENS - 3, TOKENS - 2  # what stands before and after a text in contexts
    padded = torch.tensor([before] * 5 + [1 + code for code in text] + [after] * 5)
    logits = {}
    for side, first, outside in (("next", 0, before), ("pre", 6, after)):
        context = torch.stack([padded[k + first : k + first + 5] for k in range(count)])
        embedded = F.embedding(context, w[f"{smtr}.char_embed.embedding.weight"]) * 256**0.5
        places = w[f"{smtr}.prompt_{side}_embed"][0]
        prompt = torch.cat([places[:, :1].expand(count, -1, -1), places[:, 1:] + embedded], dim=1)
        hidden = F.pad(context == outside, (1, 0))
        x = w[f"{smtr}.{side}_token"][0].expand(count, -1, -1)
        layer = f"{smtr}.cmff_decoder.0"

        def look(name: str, q: Tensor, tokens: Tensor, heads: int, hidden: Tensor | None = None) -> Tensor:
            key, value = lin(w, f"{name}.kv", tokens).chunk(2, dim=2)
            return lin(w, f"{name}.proj", attend(lin(w, f"{name}.q", q), key, value, heads, hidden))

        question, tokens = norm(w, f"{layer}.normq1", x), norm(w, f"{layer}.normkv1", prompt)
        x = x + look(f"{layer}.images_to_question_cross_attn", question, tokens, 256 // 32, hidden)
        image = norm(w, f"{layer}.normkv2", features[:1].flatten(2).transpose(1, 2))
        x = look(
            f"{layer}.question_to_images_cross_attn", norm(w, f"{layer}.normq2", x).transpose(0, 1), image, 2
        )
        logits[side] = lin(w, f"{smtr}.ques1_head", norm(w, f"{smtr}.norm_pred", x))[..., 1:95]
    guidance = model.guidance
    assert guidance is not None
    codes, inside = torch.tensor([text]), torch.ones(1, count, dtype=torch.bool)
    ours, mask = model.encoder(images.permute(0, 2, 3, 1) / 127.5 - 1, widths)
    image, seen = ours[:1].flatten(1, 2), mask[:1].repeat(1, ours.shape[1])
    for side, name in ((guidance.left, "next"), (guidance.right, "pre")):
        turned = codes if name == "next" else codes.flip(1)
        query = guidance.context_query(side, turned, inside)
        result = guidance.head(guidance.norm(guidance.look(query, image, seen)))
        result = result if name == "next" else result.flip(1)
        torch.testing.assert_close(result, logits[name], rtol=1e-3, atol=1e-3)
        assert result.std() > 0.1


@pytest.mark.parametrize("guided", [False, True])
@pytest.mark.parametrize("size", Size)
def test_every_tensor_of_the_published_files_has_its_place(size: Size, guided: bool):
    rest = {name: torch.empty(shape, device="meta") for name, shape in shapes(size, guided).items()}
    converted = convert(rest)
    assert converted is not None
    assert rest == {}
    assert (converted.options["size"], converted.charset) == (size.name, CHARSET)
    with torch.device("meta"):
        own = {name: value.shape for name, value in model_of(size, sgm=guided).state_dict().items()}
    assert {name: value.shape for name, value in converted.tensors.items()} == own


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"decoder.char_token": None}, "cannot use them: its decoder is no RCTCDecoder, which rearranges features"),
        ({"encoder.stages.2.blocks.2.mixer.qkv.weight": None}, "cannot use them: its stages are of none of the sizes tiny, small, base"),
        ({"encoder.pope.patch_embed.2.pos_embed": (1, 64, 8, 32)}, "has tensors that OpenOCR SVTRv2 does not have\n  not in this model: encoder.pope.patch_embed.2.pos_embed"),
        ({"decoder.fc_kv.weight": None}, "has names of OpenOCR SVTRv2, but tensors are missing or have other shapes (KeyError: 'fc_kv.weight')"),
    ],
)  # fmt: skip
def test_other_networks_are_refused(changes: dict, said: str, tmp_path: Path):
    wanted = {
        name: shape for name, shape in {**shapes(Size.tiny, False), **changes}.items() if shape is not None
    }
    with torch.device("meta"):
        model = model_of(Size.tiny, sgm=False)
    path = saved({name: torch.zeros(shape) for name, shape in wanted.items()}, tmp_path / "x.pth")
    with pytest.raises(CheckpointError) as refused:
        load_initial_weights(model, model.config, path, RecognitionTask.adapt_weights)
    assert said in str(refused.value)


def test_characters_that_are_not_known_leave_their_rows_out():
    wanted = shapes(Size.tiny, True) | linear("decoder.ctc_decoder.fc", 256, 6626)
    converted = convert({name: torch.empty(shape, device="meta") for name, shape in wanted.items()})
    assert converted is not None
    assert converted.charset == ""
    assert set(converted.dropped.values()) == {"its characters are not in the file"}
    assert not set(converted.dropped) & set(converted.tensors)
    assert len(converted.dropped) == 5
