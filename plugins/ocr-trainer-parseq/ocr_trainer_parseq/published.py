"""The layout of the weights that the authors of PARSeq publish (baudm/parseq, Apache-2.0).

Their encoder is timm's ViT and their decoder has torch's MultiheadAttention, which stack the projections of
queries, keys and values. Tokens have the same order as here: [E], the characters, [B], [P].
"""

from __future__ import annotations

from torch import Tensor

from ocr_trainer.checkpoint.published import Converted, rename, strip_prefix

LETTERS = "abcdefghijklmnopqrstuvwxyz"
LOWERCASE = f"0123456789{LETTERS}"
MIXED_CASE = LOWERCASE + LETTERS.upper()
FULL = MIXED_CASE + "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
CHARSETS = {len(characters): characters for characters in (LOWERCASE, MIXED_CASE, FULL)}
"""The authors' charsets, by their number of characters. Files do not have them."""
SIZES = {192: "tiny", 384: "base"}
"""Sizes by the width of the tokens."""
IMAGES = {(4, 8, 128): (32, 128), (16, 16, 196): (224, 224)}
"""Height and width of the authors' images, by the height, the width and the number of patches."""
QKV = "qkv."
STACKED = {
    r"encoder\.blocks\.(\d+)\.attn\.qkv\.(weight|bias)": rf"encoder.layers.\1.attention.{QKV}\2",
    r"decoder\.layers\.0\.self_attn\.in_proj_(weight|bias)": rf"decoder.text_attention.{QKV}\1",
    r"decoder\.layers\.0\.cross_attn\.in_proj_(weight|bias)": rf"decoder.image_attention.{QKV}\1",
}
"""Stacked projections of queries, keys and values."""
RENAMED = {
    r"encoder\.patch_embed\.proj\.(.+)": r"encoder.patches.\1",
    r"encoder\.pos_embed": "encoder.positions",
    r"encoder\.blocks\.(\d+)\.attn\.proj\.(.+)": r"encoder.layers.\1.attention.out.\2",
    r"encoder\.blocks\.(\d+)\.norm1\.(.+)": r"encoder.layers.\1.norm_attention.\2",
    r"encoder\.blocks\.(\d+)\.norm2\.(.+)": r"encoder.layers.\1.norm_mlp.\2",
    r"encoder\.blocks\.(\d+)\.mlp\.fc1\.(.+)": r"encoder.layers.\1.mlp.0.\2",
    r"encoder\.blocks\.(\d+)\.mlp\.fc2\.(.+)": r"encoder.layers.\1.mlp.3.\2",
    r"(encoder|decoder)\.norm\.(.+)": r"\1.norm.\2",
    r"decoder\.layers\.0\.self_attn\.out_proj\.(.+)": r"decoder.text_attention.out.\1",
    r"decoder\.layers\.0\.cross_attn\.out_proj\.(.+)": r"decoder.image_attention.out.\1",
    r"decoder\.layers\.0\.linear1\.(.+)": r"decoder.mlp.0.\1",
    r"decoder\.layers\.0\.linear2\.(.+)": r"decoder.mlp.3.\1",
    r"decoder\.layers\.0\.norm1\.(.+)": r"decoder.norm_text.\1",
    r"decoder\.layers\.0\.norm2\.(.+)": r"decoder.norm_image.\1",
    r"decoder\.layers\.0\.norm_q\.(.+)": r"decoder.norm_query.\1",
    r"decoder\.layers\.0\.norm_c\.(.+)": r"decoder.norm_context.\1",
    r"pos_queries": "decoder.places",
}
CHARACTERS = {r"text_embed\.embedding\.weight": "decoder.text.weight", r"head\.(weight|bias)": r"head.\1"}
"""Tensors with a row per character."""


def convert(tensors: dict[str, Tensor]) -> Converted | None:
    """Convert the authors' tensors; see `PublishedWeights.layout`.

    Raises:
        ValueError: The network has a size that PARSeq does not have here.
    """
    if not strip_prefix(tensors, "text_embed.embedding.weight") or "pos_queries" not in tensors:
        return None
    shapes = {name: tuple(value.shape) for name, value in tensors.items()}
    options, grid = _options(shapes)
    new = rename(tensors, RENAMED)
    positions = new["encoder.positions"].transpose(1, 2)
    new["encoder.positions"] = positions.reshape(1, positions.shape[1], *grid)
    for name, value in rename(tensors, STACKED).items():
        attention, part = name.split(QKV)
        third = len(value) // 3
        new |= {f"{attention}query.{part}": value[:third], f"{attention}key_value.{part}": value[third:]}
    rows = rename(tensors, CHARACTERS)
    charset = CHARSETS.get(shapes["text_embed.embedding.weight"][0] - 3, "")
    if charset:
        return Converted(new | rows, options, charset)
    return Converted(new, options, dropped=dict.fromkeys(rows, "their characters are not in the file"))


def _options(shapes: dict[str, tuple[int, ...]]) -> tuple[dict[str, object], tuple[int, int]]:
    """Return the options that the shapes imply, and the rows and columns of patches."""
    wanted = {
        "encoder.pos_embed": 3,
        "encoder.patch_embed.proj.weight": 4,
        "pos_queries": 3,
        "text_embed.embedding.weight": 2,
    }
    for name, dimensions in wanted.items():
        if len(shapes.get(name, ())) != dimensions:
            raise ValueError(f"{name} has the shape {shapes.get(name)}")
    _, patches, dim = shapes["encoder.pos_embed"]
    rows, columns = shapes["encoder.patch_embed.proj.weight"][2:]
    if dim not in SIZES:
        raise ValueError(f"its tokens have {dim} values, not {' or '.join(map(str, SIZES))}")
    if (rows, columns, patches) not in IMAGES:
        raise ValueError(f"{patches} patches of {rows} x {columns} pixels are of no published image size")
    height, width = IMAGES[rows, columns, patches]
    options = {
        "size": SIZES[dim],
        "height": height,
        "width": width,
        "patch": [rows, columns],
        "max_length": shapes["pos_queries"][1] - 1,
    }
    return options, (height // rows, width // columns)
