"""The options that all backbones share."""

from __future__ import annotations

from pathlib import Path

import pytest
from ocr_trainer_dbnet.plugin import DBNetConfig

from ocr_trainer.plugin import BackboneConfig

NEITHER = "is neither a file (.pth, .pt, .safetensors) nor the name of a repository on the Hugging Face hub, such as timm/resnet18.tv_in1k"


@pytest.mark.parametrize(
    ("weights", "messages"),
    [
        (None, []),
        ("timm/resnet18.tv_in1k", []),
        ("no/such.pth", ["weights=no/such.pth: there is no such file"]),
        ("such.safetensors", ["weights=such.safetensors: there is no such file"]),
        ("weights.bin", [f"weights=weights.bin {NEITHER}"]),
        ("a/b/c", [f"weights=a/b/c {NEITHER}"]),
        ("../folder", [f"weights=../folder {NEITHER}"]),
        ("", [f"weights= {NEITHER}"]),
    ],
)
def test_weights_are_a_file_or_a_repository(weights: str | None, messages: list[str]):
    assert list(BackboneConfig(weights=weights).validate()) == messages


def test_any_existing_file_is_accepted_as_weights(tmp_path: Path):
    path = tmp_path / "weights.tar"
    path.touch()
    config = DBNetConfig(backbone=BackboneConfig("resnet34", str(path)))
    assert list(config.backbone.validate()) == []
    assert config.without_init_weights().backbone == BackboneConfig("resnet34")
    assert config.backbone.weights == str(path)
