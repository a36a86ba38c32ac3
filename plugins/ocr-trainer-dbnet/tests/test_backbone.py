import builtins
import importlib.util
import pickle

import pytest
import torch
from ocr_trainer_dbnet.resnet import ResNet
from ocr_trainer_dbnet.weights import load_backbone

from ocr_trainer.errors import CheckpointError

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
PARAMETERS = {"resnet18": 11_176_512, "resnet34": 21_284_672, "resnet50": 23_508_032}
TENSORS = {"resnet18": 120, "resnet34": 216, "resnet50": 318}  # torchvision 0.28's without fc

# torchvision's resnet18, written out: convolutions and the normalisation after each.
RESNET18 = """
conv1 bn1 64,3,7,7
layer1.0.conv1 layer1.0.bn1 64,64,3,3
layer1.0.conv2 layer1.0.bn2 64,64,3,3
layer1.1.conv1 layer1.1.bn1 64,64,3,3
layer1.1.conv2 layer1.1.bn2 64,64,3,3
layer2.0.conv1 layer2.0.bn1 128,64,3,3
layer2.0.conv2 layer2.0.bn2 128,128,3,3
layer2.0.downsample.0 layer2.0.downsample.1 128,64,1,1
layer2.1.conv1 layer2.1.bn1 128,128,3,3
layer2.1.conv2 layer2.1.bn2 128,128,3,3
layer3.0.conv1 layer3.0.bn1 256,128,3,3
layer3.0.conv2 layer3.0.bn2 256,256,3,3
layer3.0.downsample.0 layer3.0.downsample.1 256,128,1,1
layer3.1.conv1 layer3.1.bn1 256,256,3,3
layer3.1.conv2 layer3.1.bn2 256,256,3,3
layer4.0.conv1 layer4.0.bn1 512,256,3,3
layer4.0.conv2 layer4.0.bn2 512,512,3,3
layer4.0.downsample.0 layer4.0.downsample.1 512,256,1,1
layer4.1.conv1 layer4.1.bn1 512,512,3,3
layer4.1.conv2 layer4.1.bn2 512,512,3,3
"""


def test_resnet18_has_torchvisions_names_and_shapes():
    expected = {}
    for line in RESNET18.split("\n")[1:-1]:
        conv, norm, shape = line.split()
        expected[f"{conv}.weight"] = tuple(map(int, shape.split(",")))
        width = expected[f"{conv}.weight"][0]
        expected |= {f"{norm}.{leaf}": () if leaf == "num_batches_tracked" else (width,) for leaf in NORM}
    assert {name: tuple(t.shape) for name, t in ResNet("resnet18").state_dict().items()} == expected


def test_resnet50_has_torchvisions_names_and_strides():
    net = ResNet("resnet50")
    shapes = {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
    assert shapes["layer1.0.downsample.0.weight"] == (256, 64, 1, 1)
    assert shapes["layer1.2.conv1.weight"] == (64, 256, 1, 1)
    assert shapes["layer2.3.conv2.weight"] == (128, 128, 3, 3)
    assert shapes["layer3.5.conv3.weight"] == (1024, 256, 1, 1)
    assert shapes["layer4.0.downsample.1.running_var"] == (2048,)
    assert shapes["layer4.2.bn3.bias"] == (2048,)
    assert net.layer2[0].conv1.stride == (1, 1)
    assert net.layer2[0].conv2.stride == (2, 2)


@pytest.mark.parametrize("name", PARAMETERS)
def test_totals(name):
    net = ResNet(name)
    assert sum(p.numel() for p in net.parameters()) == PARAMETERS[name]
    assert len(net.state_dict()) == TENSORS[name]


@pytest.mark.parametrize("name", PARAMETERS)
def test_features_shrink_from_a_quarter(name):
    net = ResNet(name).eval()
    with torch.no_grad():
        shapes = [tuple(f.shape) for f in net(torch.zeros(1, 3, 64, 96))]
    assert shapes == [(1, c, 64 // s, 96 // s) for c, s in zip(net.channels, (4, 8, 16, 32), strict=True)]


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


def test_published_weights_load(tmp_path, published):
    torch.save(published, tmp_path / "r18.pth")
    net = ResNet("resnet18")
    load_backbone(net, tmp_path / "r18.pth")
    loaded = net.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in published.items() if "fc" not in name)


def test_every_mismatch_is_told(tmp_path, published):
    del published["layer1.0.conv1.weight"]
    published["layer2.0.conv1.weight"] = torch.zeros(3, 3)
    published["head.weight"] = torch.zeros(3)
    torch.save(published, tmp_path / "r18.pth")
    net = ResNet("resnet18")
    before = net.conv1.weight.clone()
    with pytest.raises(CheckpointError) as caught:
        load_backbone(net, tmp_path / "r18.pth")
    assert str(caught.value) == (
        f"model.weights={tmp_path / 'r18.pth'} does not fit model.backbone:\n"
        "  missing: layer1.0.conv1.weight\n"
        "  not known: head.weight\n"
        "  of another shape: layer2.0.conv1.weight is (3, 3), not (128, 64, 3, 3)"
    )
    assert torch.equal(net.conv1.weight, before)


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
            load_backbone(ResNet("resnet18"), path)
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_backbone(ResNet("resnet18"), tmp_path / "absent.pth")
    torch.save({"model": published}, path)
    with pytest.raises(CheckpointError, match="holds no table of named tensors"):
        load_backbone(ResNet("resnet18"), path)


def test_safetensors(tmp_path, published):
    path = tmp_path / "r18.safetensors"
    if importlib.util.find_spec("safetensors") is None:
        path.write_bytes(b"")
        with pytest.raises(CheckpointError, match="pip install safetensors"):
            load_backbone(ResNet("resnet18"), path)
        return
    from safetensors.torch import save_file

    save_file(published, path)
    net = ResNet("resnet18")
    load_backbone(net, path)
    assert torch.equal(net.conv1.weight, published["conv1.weight"])
