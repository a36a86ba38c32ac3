import builtins
import logging
import pickle
import sys

import pytest
import torch
from ocr_trainer_dbnet.model import DBNet
from ocr_trainer_dbnet.plugin import DBNetConfig, ResNetConfig
from ocr_trainer_dbnet.resnet import ResNet

from ocr_trainer.checkpoint.pretrained import load_pretrained
from ocr_trainer.errors import CheckpointError
from ocr_trainer.plugin import Context, Task
from ocr_trainer.tasks.detection.backbone import build_backbone


@pytest.fixture
def published():
    """A file's content as torchvision publishes it, with the classifier and without counters."""
    torch.manual_seed(1)
    tensors = {
        name: torch.randn_like(value)
        for name, value in ResNet("resnet18").state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    return tensors | {"fc.weight": torch.randn(1000, 512), "fc.bias": torch.randn(1000)}


def load(content, path):
    """Save, load, and return the network and the message."""
    torch.save(content, path)
    net = ResNet("resnet18")
    return net, load_pretrained(net, str(path))


def has_weights(net, published):
    loaded = net.state_dict()
    return all(torch.equal(loaded[name], value) for name, value in published.items() if "fc" not in name)


def test_published_weights_load_and_every_tensor_is_accounted_for(tmp_path, published):
    path = tmp_path / "r18.pth"
    net, message = load(published, path)
    assert has_weights(net, published)
    counters = "(20 counters start at 0)"
    assert message == f"100 of 120 tensors loaded from {path} {counters}, not used: fc.weight, fc.bias"
    _, message = load(ResNet("resnet18").state_dict(), path)
    assert message == f"120 of 120 tensors loaded from {path}, all tensors of the file used"


def test_the_log_says_what_was_loaded(tmp_path, published, caplog):
    path = tmp_path / "r18.pth"
    torch.save(published, path)
    with caplog.at_level(logging.INFO, "ocr_trainer"):
        net = build_backbone(ResNetConfig("resnet18", str(path)), Context(task=Task.detection))
    assert has_weights(net, published)
    assert caplog.messages == [f"model.backbone: {load(published, path)[1]}"]


WRAPPINGS = {
    "state_dict": lambda t: {"state_dict": t, "epoch": 3},
    "model": lambda t: {"model": t, "optimizer": {}},
    "DataParallel": lambda t: {f"module.{name}": value for name, value in t.items()},
    "DataParallel in a state_dict": lambda t: {"state_dict": {f"module.{n}": v for n, v in t.items()}},
    "detector": lambda t: {f"backbone.{n}": v for n, v in t.items()} | {"neck.weight": torch.zeros(1)},
    "the authors' detector": lambda t: (
        {f"model.module.backbone.{n}": v for n, v in t.items()}
        | {"model.module.decoder.in5.weight": torch.zeros(1)}
    ),
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_wrapped_weights_are_recognized(tmp_path, published, wrapping):
    net, message = load(WRAPPINGS[wrapping](published), tmp_path / "r18.pth")
    assert has_weights(net, published)
    assert message.startswith("100 of 120 tensors")
    for name in {"detector": ["neck.weight"], "the authors' detector": ["decoder.in5"]}.get(wrapping, []):
        assert name in message.partition("not used")[2]


def test_the_backbone_of_our_own_checkpoint_loads(tmp_path):
    torch.manual_seed(2)
    context = Context(task=Task.detection)
    trained = DBNet(DBNetConfig(neck_channels=8), context)
    state = {f"model.{name}": value for name, value in trained.state_dict().items()}
    path = tmp_path / "best.ckpt"
    torch.save({"state_dict": state, "ocr_trainer": {"format": 1}, "epoch": 3}, path)
    fresh = DBNet(DBNetConfig(neck_channels=16, backbone=ResNetConfig("resnet18", str(path))), context)
    expected = trained.backbone.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in fresh.backbone.state_dict().items())


def test_every_mismatch_is_reported(tmp_path, published):
    del published["layer1.0.conv1.weight"]
    published["layer2.0.conv1.weight"] = torch.zeros(3, 3)
    published["layer4.2.conv1.weight"] = torch.zeros(3)
    path = tmp_path / "r18.pth"
    torch.save(published, path)
    net = ResNet("resnet18")
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with pytest.raises(CheckpointError) as caught:
        load_pretrained(net, str(path))
    assert str(caught.value) == (
        f"model.backbone.weights={path} does not fit model.backbone.name:\n"
        "  missing: layer1.0.conv1.weight\n"
        "  unknown: layer4.2.conv1.weight\n"
        "  different shape: layer2.0.conv1.weight is (3, 3), not (128, 64, 3, 3)\n"
        "  not used: fc.weight, fc.bias"
    )
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


@pytest.mark.parametrize(
    ("file", "net"), [("resnet34", "resnet18"), ("resnet18", "resnet34"), ("resnet50", "resnet34")]
)
def test_weights_of_another_depth_are_refused(tmp_path, file, net):
    torch.save(ResNet(file).state_dict(), tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="does not fit"):
        load_pretrained(ResNet(net), str(tmp_path / "other.pth"))


class Evil:
    def __reduce__(self):
        return builtins.exec, ("raise SystemExit('it ran')",)


def test_unreadable_files_are_refused_and_never_run(tmp_path, published):
    good, path = tmp_path / "good.pth", tmp_path / "bad.pth"
    torch.save(published, good)
    contents = [b"", b"garbage", pickle.dumps(Evil()), good.read_bytes()[:1000]]
    for content in contents:
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match="cannot be read"):
            load_pretrained(ResNet("resnet18"), str(path))
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_pretrained(ResNet("resnet18"), str(tmp_path / "absent.pth"))
    cyclic = {"epoch": 3}
    cyclic["model"] = cyclic
    for content in ({"weights": published}, [published], {3: torch.zeros(1)}, cyclic):
        with pytest.raises(CheckpointError, match="is not a state_dict"):
            load(content, path)


def test_safetensors(tmp_path, published):
    safetensors = pytest.importorskip("safetensors.torch")
    path = tmp_path / "r18.safetensors"
    safetensors.save_file(published, path)
    net = ResNet("resnet18")
    assert "100 of 120" in load_pretrained(net, str(path))
    assert has_weights(net, published)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_pretrained(net, str(path))


def test_without_safetensors_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    path = tmp_path / "r18.safetensors"
    path.write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"pip install 'ocr-trainer\[safetensors\]'"):
        load_pretrained(ResNet("resnet18"), str(path))
