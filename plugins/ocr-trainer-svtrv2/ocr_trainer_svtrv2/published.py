"""The layout of the weights that the authors of SVTRv2 publish (OpenOCR, Apache-2.0).

Their blocks of all mixers have one numbering, in which the step from maps to tokens has a number of its own.
The module for rearrangement (RCTCDecoder) normalizes before its attention: `row_pre_norm`. The module for
guidance (SMTRDecoder), which only files of the second stage of training have, also learns the end of a text.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor

from ocr_trainer.checkpoint.published import Converted, rename, strip_prefix
from ocr_trainer_svtrv2.network import PLANS

LETTERS = "abcdefghijklmnopqrstuvwxyz"
CHARSET = f"0123456789{LETTERS}{LETTERS.upper()}!\"#$%&'()*+,-./:;<=>?@[\\]^_`{{|}}~"
"""The authors' charset for English (EN_symbol_dict.txt). Files do not have theirs."""
MARKER = "char_token"
BLOCK = r"encoder\.stages\.(\d+)\.blocks\.(\d+)\."
ENCODER = {
    r"encoder\.pope\.patch_embed\.0\.(conv|norm)\.(.+)": r"encoder.stem.\g<1>1.\2",
    r"encoder\.pope\.patch_embed\.1\.(conv|norm)\.(.+)": r"encoder.stem.\g<1>2.\2",
    r"encoder\.stages\.(\d+)\.downsample\.conv\.(.+)": r"encoder.downs.\1.\2",
    r"encoder\.stages\.(\d+)\.downsample\.norm\.(.+)": r"encoder.norms.\1.\2",
    BLOCK + r"(norm[12])\.(.+)": r"encoder.stages.\1.\2.\3.\4",
    BLOCK + r"mixer\.0\.(.+)": r"encoder.stages.\1.\2.conv1.\3",
    BLOCK + r"mixer\.1\.(.+)": r"encoder.stages.\1.\2.conv2.\3",
    BLOCK + r"mixer\.qkv\.(.+)": r"encoder.stages.\1.\2.attention.qkv.\3",
    BLOCK + r"mixer\.proj\.(.+)": r"encoder.stages.\1.\2.attention.out.\3",
    BLOCK + r"mlp\.fc1\.(.+)": r"encoder.stages.\1.\2.mlp.0.\3",
    BLOCK + r"mlp\.fc2\.(.+)": r"encoder.stages.\1.\2.mlp.2.\3",
}
REARRANGEMENT = {
    r"w_atten_block\.(norm[12])\.(.+)": r"rearrangement.row.\1.\2",
    r"w_atten_block\.attn\.qkv\.(.+)": r"rearrangement.row.attention.qkv.\1",
    r"w_atten_block\.attn\.proj\.(.+)": r"rearrangement.row.attention.out.\1",
    r"w_atten_block\.mlp\.fc1\.(.+)": r"rearrangement.row.mlp.0.\1",
    r"w_atten_block\.mlp\.fc2\.(.+)": r"rearrangement.row.mlp.2.\1",
    r"fc\.(.+)": r"head.\1",
}
GUIDANCE = {
    rf"cmff_decoder\.0\.{theirs}": rf"guidance.{ours}"
    for module, names, norms in (
        ("read", "images_to_question_cross_attn", "1"),
        ("look", "question_to_images_cross_attn", "2"),
    )
    for theirs, ours in (
        (rf"normq{norms}\.(.+)", rf"{module}.norm_query.\1"),
        (rf"normkv{norms}\.(.+)", rf"{module}.norm_tokens.\1"),
        (rf"{names}\.q\.(.+)", rf"{module}.query.\1"),
        (rf"{names}\.kv\.(.+)", rf"{module}.key_value.\1"),
        (rf"{names}\.proj\.(.+)", rf"{module}.out.\1"),
    )
} | {r"norm_pred\.(.+)": r"guidance.norm.\1"}
SIDES = {"next": "left", "pre": "right"}
"""Our names of the sides of a text by theirs: the next character has its context on the left."""
NO_CHARSET = "its characters are not in the file"


def convert(tensors: dict[str, Tensor]) -> Converted | None:
    """Convert the authors' tensors; see `PublishedWeights.layout`.

    Raises:
        ValueError: The network has no rearrangement, or a size that SVTRv2 does not have here.
    """
    if not strip_prefix(tensors, "encoder.pope.patch_embed.0.conv.weight"):
        return None
    decoder = next(
        (name for name in tensors if re.fullmatch(rf"decoder\.(ctc_decoder\.)?{MARKER}", name)), None
    )
    if decoder is None:
        raise ValueError("its decoder is no RCTCDecoder, which rearranges features")
    new = _consecutive(rename(tensors, ENCODER))
    smtr = _below(tensors, "decoder.gtc_decoder.")
    guided = "prompt_next_embed" in smtr
    options: dict[str, object] = {"size": _size(new), "row_pre_norm": True, "sgm": guided}
    ctc = _below(tensors, decoder.removesuffix(MARKER))
    new |= rename(ctc, REARRANGEMENT)
    new["rearrangement.token"] = ctc.pop(MARKER).flatten()
    for part in ("weight", "bias"):
        key, value = ctc.pop(f"fc_kv.{part}").chunk(2)
        new |= {f"rearrangement.key.{part}": key, f"rearrangement.value.{part}": value}
    charset = CHARSET if len(new["head.weight"]) == 1 + len(CHARSET) else ""
    if guided:
        options["context"] = smtr["prompt_next_embed"].shape[2] - 1
        new |= _guidance(smtr, len(new["head.weight"]) - 1)
    for prefix, rest in ((decoder.removesuffix(MARKER), ctc), ("decoder.gtc_decoder.", smtr)):
        tensors |= {prefix + name: value for name, value in rest.items()}
    if charset:
        return Converted(new, options, charset)
    rows = (
        "head.weight",
        "head.bias",
        "guidance.head.weight",
        "guidance.head.bias",
        "guidance.embedding.weight",
    )
    dropped = {name: NO_CHARSET for name in rows if name in new}
    return Converted({name: new[name] for name in new if name not in rows}, options, dropped=dropped)


def _guidance(smtr: dict[str, Tensor], characters: int) -> dict[str, Tensor]:
    """Return the tensors of the guidance; row 0 of the embedding and of the classes is the end of a text."""
    new = rename(smtr, GUIDANCE)
    rows = slice(1, 1 + characters)
    new["guidance.embedding.weight"] = smtr.pop("char_embed.embedding.weight")[rows].clone()
    for part in ("weight", "bias"):
        new[f"guidance.head.{part}"] = smtr.pop(f"ques1_head.{part}")[rows].clone()
    for theirs, ours in SIDES.items():
        new[f"guidance.{ours}.query"] = smtr.pop(f"{theirs}_token").flatten()
        new[f"guidance.{ours}.places"] = smtr.pop(f"prompt_{theirs}_embed").flatten(0, 2)
    # Here, the context of both sides comes farthest first; theirs is in the order of the text.
    places = new["guidance.right.places"]
    new["guidance.right.places"] = torch.cat([places[:1], places[1:].flip(0)])
    return new


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Remove the tensors whose names have a prefix, and return them without it."""
    names = [name for name in tensors if name.startswith(prefix)]
    return {name.removeprefix(prefix): tensors.pop(name) for name in names}


def _consecutive(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Renumber the blocks of each stage from 0 without gaps."""
    numbers: dict[str, set[int]] = {}
    block = re.compile(r"(encoder\.stages\.\d+\.)(\d+)(\..+)")
    for name in tensors:
        if found := block.fullmatch(name):
            numbers.setdefault(found[1], set()).add(int(found[2]))
    places = {(stage, n): place for stage, ns in numbers.items() for place, n in enumerate(sorted(ns))}
    return {
        f"{found[1]}{places[found[1], int(found[2])]}{found[3]}"
        if (found := block.fullmatch(name))
        else name: v
        for name, v in tensors.items()
    }


def _size(tensors: dict[str, Tensor]) -> str:
    """Return the size whose stages have these channels and mixers."""
    for size, plan in PLANS.items():
        blocks = {
            f"encoder.stages.{stage}.{place}.{'conv1' if letter == 'L' else 'attention.qkv'}.weight": channels
            for stage, (letters, channels) in enumerate(zip(plan.blocks, plan.channels, strict=True))
            for place, letter in enumerate(letters)
        }
        found = {name: tensors[name].shape for name in tensors if re.search(r"(conv1|qkv)\.weight$", name)}
        found.pop("encoder.stem.conv1.weight", None)
        widths = {name: shape[0] if "conv1" in name else shape[1] for name, shape in found.items()}
        if widths == blocks:
            return size.value
    raise ValueError(f"its stages are of none of the sizes {', '.join(size.value for size in PLANS)}")
