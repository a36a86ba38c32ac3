"""Weights of others to start from: a stranger's layout, files that are none, and hostile ones."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.fakes import install, visible
from safetensors.torch import save_file
from torch import Tensor, nn

from ocr_trainer.checkpoint.init_from import load_initial_weights
from ocr_trainer.checkpoint.published import open_initial, rename, strip_prefix
from ocr_trainer.config.describe import describe
from ocr_trainer.errors import CheckpointError, PluginBroken
from ocr_trainer.plugin import Config, Kind, discovery

DESCRIPTION = """\
from dataclasses import dataclass
from ocr_trainer.plugin import Config, ModelPlugin, PublishedWeights, Task

@dataclass
class AcmeConfig(Config):
    depth: int = 2
    \"\"\"Number of layers.\"\"\"

plugin = ModelPlugin(
    api=1, summary="a model", config=AcmeConfig, task=Task.detection, factory="acme_lines_net:Net",
    architecture=("depth",),
    published=(
        PublishedWeights(
            name="Acme weights", source="https://acme.example/weights", file="acme.pt", license="MIT",
            data="trained on pages of Acme", layout="acme_lines_net:layout",
        ),
    ),
)
"""
LAYOUT = """\
from ocr_trainer.checkpoint.published import Converted, rename, strip_prefix

def layout(tensors):
    if not strip_prefix(tensors, "first.w"):
        return None
    if "lstm.w" in tensors:
        raise ValueError("they have an LSTM")
    dropped = {name: "which only training needs" for name in [*tensors] if name.startswith("aux.")}
    for name in dropped:
        del tensors[name]
    renamed = rename(tensors, {r"first\\.w": "0.weight", r"second\\.w": "1.weight"})
    return Converted(renamed, {"depth": len(renamed)}, dropped=dropped)
"""


@pytest.fixture
def acme(tmp_path: Path) -> Iterator[Path]:
    """A stranger's model that is described to load weights, and the folder of its modules."""
    with visible(tmp_path / "installed") as folder:
        install(folder, "acme-lines", "[ocr_trainer.models]\nacme = {}:plugin\n", DESCRIPTION)
        (folder / "acme_lines_net.py").write_text(LAYOUT)
        yield folder


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))


def config_of() -> Config:
    config = discovery.load(Kind.model, "acme").config()
    config.name = "acme"
    return config


WEIGHTS = {"first.w": torch.eye(2), "second.w": 2 * torch.eye(2)}


@pytest.mark.parametrize("prefix", ["", "module.", "net.module."])
@pytest.mark.parametrize("save", [torch.save, save_file, lambda t, path: torch.save({"state_dict": t}, path)])
@pytest.mark.usefixtures("acme")
def test_a_stranger_s_weights_are_loaded(prefix: str, save: Callable[..., None], tmp_path: Path):
    path = tmp_path / ("acme.safetensors" if save is save_file else "acme.pt")
    save({prefix + name: value for name, value in {**WEIGHTS, "aux.w": torch.ones(1)}.items()}, path)
    model = network()
    report = load_initial_weights(model, config_of(), path)
    assert torch.equal(model(torch.eye(2)), 2 * torch.eye(2))
    about = "Acme weights (https://acme.example/weights), code: MIT; trained on pages of Acme"
    assert report.to_dict() == {
        "checkpoint": str(path),
        "published": about,
        "loaded": 2,
        "not_in_checkpoint": [],
        "of_another_shape": [],
        "left_over": [],
        "left_out": {"aux.w": "which only training needs"},
        "different_options": [],
    }
    assert str(report) == (
        f"2 of 2 tensors loaded from {path}\n  {about}\n  left out, which only training needs: aux.w"
    )


@pytest.mark.usefixtures("acme")
def test_describe_says_what_can_be_loaded_and_how():
    assert describe(Kind.model, "acme").partition("\n\n")[2].partition("\n\n")[2] == (
        "weights to start from:\n"
        "  ocr-train model=acme init_from=RUN/checkpoints/best.ckpt\n"
        "    a checkpoint of ocr-trainer; options taken from it unless they are set: depth\n"
        "  ocr-train model=acme init_from=acme.pt\n"
        "    Acme weights, https://acme.example/weights; license of the code: MIT; trained on pages of\n"
        "    Acme"
    )
    assert "model.backbone.weights=FILE or OWNER/NAME" in describe(Kind.model, "dbnet")


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"second.w": torch.eye(2), "x": torch.eye(2)}, "is neither a checkpoint of ocr-trainer nor published weights that model=acme can load\n  its 2 tensors: second.w, x\n  model=acme can load: checkpoints of ocr-trainer, Acme weights (ocr-train describe model acme)"),
        ({**WEIGHTS, "lstm.w": torch.eye(2)}, "has weights of Acme weights, but model=acme cannot use them: they have an LSTM"),
        ({**WEIGHTS, "third.w": torch.eye(2)}, "has tensors that Acme weights does not have\n  not in this model: third.w\n  load the tensors that fit"),
        ({**WEIGHTS, "module.first.w": torch.ones(2, 2)}, "has tensors that Acme weights does not have\n  not in this model: module.first.w\n"),
        ({**WEIGHTS, "second.w": torch.eye(3)}, "fits only 1 of 2 tensors of this model, less than 90%\n  different shape: 1.weight ((3, 3) there, (2, 2) here)\n"),
        ({"first.w": torch.eye(2)}, "build the model of the file: model.depth=1\n"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("acme")
def test_weights_that_do_not_fit_are_refused(weights: dict[str, Tensor], said: str, tmp_path: Path):
    torch.save(weights, tmp_path / "acme.pt")
    with pytest.raises(CheckpointError) as refused:
        load_initial_weights(network(), config_of(), tmp_path / "acme.pt")
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("def layout", "def other", "its layout acme_lines_net:layout cannot be imported: AttributeError"),
        (
            "return Converted(",
            "return dict(x=",
            "its layout acme_lines_net:layout returns a dict, not a Converted",
        ),
    ],
)
def test_a_broken_layout_is_a_fault_of_its_plugin(
    acme: Path, before: str, after: str, said: str, tmp_path: Path
):
    (acme / "acme_lines_net.py").write_text(
        LAYOUT.replace(before, after).replace("renamed, {", "renamed, y={")
    )
    torch.save(WEIGHTS, tmp_path / "acme.pt")
    with pytest.raises(PluginBroken) as broken:
        open_initial(tmp_path / "acme.pt", "acme")
    assert said in str(broken.value)
    assert "provided by acme-lines 1.0" in str(broken.value)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('architecture=("depth",)', 'architecture=("dept",)', "architecture names 'dept', which is not one of its options"),
        ("PublishedWeights(\n", "dict(\n", "published has something other than PublishedWeights"),
    ],
)  # fmt: skip
def test_a_wrong_description_is_refused(acme: Path, before: str, after: str, said: str):
    (acme / "acme_lines.py").write_text(DESCRIPTION.replace(before, after))
    with pytest.raises(PluginBroken, match=said):
        discovery.load(Kind.model, "acme")


class Code:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("was_run",)


def compressed(path: Path) -> None:
    torch.save(WEIGHTS, path)
    with zipfile.ZipFile(path) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in records.items():
            archive.writestr(name, content)


def cut(path: Path) -> None:
    torch.save(WEIGHTS, path)
    path.write_bytes(path.read_bytes()[:-200])


def claiming(path: Path) -> None:
    save_file(WEIGHTS, path)
    content = path.read_bytes()
    path.write_bytes((2**40).to_bytes(8, "little") + content[8:])


HOSTILE: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "code": ("x.pth", lambda path: torch.save({"first.w": Code()}, path), "it holds more than tensors and plain values (posix.mkdir)\n  if you trust"),
    "code in an old file": ("x.pth", lambda path: torch.save(Code(), path, _use_new_zipfile_serialization=False), "it holds more than tensors"),
    "code in a checkpoint of ours": ("x.ckpt", lambda path: torch.save({"ocr_trainer": {}, "x": Code()}, path), "it holds more than tensors"),
    "noise": ("x.pth", lambda path: path.write_bytes(os.urandom(1000)), "cannot be read: "),
    "nothing": ("x.pt", lambda path: path.touch(), "cannot be read: "),
    "an end that is missing": ("x.pt", cut, "cannot be read: "),
    "an end of ours that is missing": ("x.ckpt", cut, "it is not a zip archive, or its end is missing"),
    "compressed records": ("x.pt", compressed, "is compressed, as none of ours is"),
    "a zip of something else": ("x.pt", lambda path: zipfile.ZipFile(path, "w").writestr("a", "b"), "it is a zip archive of something else"),
    "a header of a terabyte": ("x.safetensors", claiming, "it is no safetensors file, or damaged"),
    "a list": ("x.pt", lambda path: torch.save([torch.ones(1)], path), "is not a state_dict"),
    "numbers for names": ("x.pt", lambda path: torch.save({1: torch.ones(1)}, path), "is not a state_dict"),
    "no tensor": ("x.pt", lambda path: torch.save({}, path), "its 0 tensors: none"),
    "not finite": ("x.pt", lambda path: torch.save({"first.w": torch.tensor([torch.nan])}, path), "has weights that are not finite: first.w"),
    "not dense": ("x.pt", lambda path: torch.save({"first.w": torch.eye(2).to_sparse()}, path), "first.w is not a dense tensor"),
    "too large for the file": ("x.pt", lambda path: torch.save({"first.w": torch.zeros(1).expand(10**6)}, path), "first.w claims more values than the file has"),
    "names for a terminal": ("x.pt", lambda path: torch.save({"a\nb\x1b[31m": torch.ones(1)}, path), "its 1 tensors: "),
    "of another library": ("x.ckpt", lambda path: torch.save({"state_dict": {"net.w": torch.ones(1)}, "epoch": 1}, path), "is neither a checkpoint of ocr-trainer nor published weights"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*:UserWarning")
@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_file_is_refused_in_one_message(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, acme: Path
):
    monkeypatch.chdir(tmp_path)
    name, write, said = HOSTILE[case]
    write(tmp_path / name)
    with pytest.raises(CheckpointError) as refused:
        open_initial(tmp_path / name, "acme")
    message = str(refused.value)
    assert said in message
    assert "weights_only" not in message
    assert "\x1b" not in message
    assert not (tmp_path / "was_run").exists()


def test_two_tensors_never_become_one():
    tensors = {"a.x": torch.zeros(1), "x": torch.ones(1), "a.y": torch.ones(2)}
    assert strip_prefix(tensors, "y")
    assert {name: len(value) for name, value in tensors.items()} == {"a.x": 1, "x": 1, "y": 2}
    renamed = rename(tensors, {r"(?:a\.)?x": "z"})
    assert list(renamed) == ["z"]
    assert len(tensors) == 2
