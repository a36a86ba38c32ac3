import pytest
import torch
from ocr_trainer_dbnet.resnet import ResNet

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
PARAMETERS = {"resnet18": 11_176_512, "resnet34": 21_284_672, "resnet50": 23_508_032}
TENSORS = {"resnet18": 120, "resnet34": 216, "resnet50": 318}  # torchvision 0.28's without fc

# torchvision's resnet18, written out: convolutions and the normalization after each.
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
