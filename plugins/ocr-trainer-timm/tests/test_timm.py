"""Feature extractors of timm. Skipped without timm, which needs a torchvision that fits torch."""

import sys

import pytest
import torch
from ocr_trainer_dbnet.model import DBNet
from ocr_trainer_dbnet.plugin import DBNetConfig
from ocr_trainer_dbnet.resnet import ResNet
from ocr_trainer_timm.features import TimmFeatures
from ocr_trainer_timm.plugin import TimmConfig

from ocr_trainer.errors import CheckpointError, ConfigError
from ocr_trainer.plugin import BackboneConfig, Context, Task
from ocr_trainer.tasks.detection.backbone import build_backbone


def make_backbone(config: BackboneConfig):
    return build_backbone(config, Context(task=Task.detection))


def test_without_timm_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ConfigError) as caught:
        make_backbone(TimmConfig("timm/convnext_tiny"))
    first, last = str(caught.value).splitlines()
    assert first.startswith("model.backbone.name=timm/convnext_tiny needs timm, which cannot be imported: ")
    assert last == "  pip install timm, with a torchvision that fits your torch"


@pytest.fixture
def timm():
    return pytest.importorskip("timm", exc_type=ImportError)


@pytest.mark.parametrize(
    "name", ["resnet18", "convnext_atto", "mobilenetv3_small_050", "mambaout_femto", "vgg11"]
)
def test_features_at_four_strides_and_gradients_for_all_parameters(timm, name):
    torch.manual_seed(0)
    net = make_backbone(TimmConfig(f"timm/{name}"))
    assert net.training
    maps = net(torch.rand(2, 3, 64, 96))
    assert [tuple(m.shape) for m in maps] == [
        (2, c, 64 // s, 96 // s) for c, s in zip(net.channels, (4, 8, 16, 32), strict=True)
    ]
    sum(m.square().sum() for m in maps).backward()
    assert [key for key, value in net.named_parameters() if value.grad is None] == []


def test_a_resnet_of_timm_equals_ours_with_the_same_file(timm, tmp_path):
    torch.manual_seed(1)
    published = timm.create_model("resnet18", pretrained=False)
    path = str(tmp_path / "r18.pth")
    torch.save(published.state_dict(), path)
    ours, theirs = (
        make_backbone(kind(name, path)).eval()
        for kind, name in ((BackboneConfig, "resnet18"), (TimmConfig, "timm/resnet18"))
    )
    assert isinstance(ours, ResNet)
    assert isinstance(theirs, TimmFeatures)
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        expected = published.eval().forward_intermediates(
            images, intermediates_only=True, indices=[1, 2, 3, 4]
        )
        for own, wrapped, reference in zip(ours(images), theirs(images), expected, strict=True):
            torch.testing.assert_close(own, wrapped)
            torch.testing.assert_close(own, reference)


@pytest.mark.parametrize("name", ["convnext_atto", "mobilenetv3_small_050", "twins_svt_small", "vgg11"])
def test_files_of_timm_load_into_extractors_that_rename_modules(timm, tmp_path, name, caplog):
    torch.manual_seed(2)
    published = timm.create_model(name, pretrained=False)
    path = str(tmp_path / "published.pth")
    torch.save(published.state_dict(), path)
    with caplog.at_level("INFO", "ocr_trainer"):
        net = make_backbone(TimmConfig(f"timm/{name}", path))
    total = len(net.state_dict())
    assert f"{total} of {total} tensors loaded" in caplog.text
    assert "not used: " in caplog.text
    loaded, file = list(net.state_dict().values()), list(published.state_dict().values())
    assert all(any(a.shape == b.shape and torch.equal(a, b) for b in file) for a in loaded)


def test_weights_of_another_network_are_refused(timm, tmp_path):
    torch.save(timm.create_model("convnext_atto").state_dict(), tmp_path / "atto.pth")
    with pytest.raises(CheckpointError, match=r"different shape: stem_0\.weight is"):
        make_backbone(TimmConfig("timm/convnext_femto", str(tmp_path / "atto.pth")))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("convnext_tny", r"timm [\d.]+ has no such model\. Did you mean 'convnext_tiny'\?"),
        ("owner/name", r"timm [\d.]+ has no such model\."),
        ("vit_tiny_patch16_224", "has features at strides 16, 16, 16, but none at 4, 8, 32"),
        ("swin_tiny_patch4_window7_224", "does not take images of any size: Input height"),
        ("legacy_xception", r"returns features of sizes .* not \[\(16, 24\)"),
    ],
)
def test_unsuitable_extractors_are_refused(timm, name, reason):
    with pytest.raises(ConfigError, match=f"model.backbone.name=timm/{name}:? {reason}"):
        make_backbone(TimmConfig(f"timm/{name}"))


def test_a_detector_learns_on_it_and_normalizes_with_its_own_statistics(timm):
    torch.manual_seed(0)
    config = DBNetConfig(neck_channels=16, backbone=TimmConfig("timm/tf_mobilenetv3_small_075"))
    net = DBNet(config, Context(task=Task.detection))
    outputs = net(torch.randint(256, (2, 3, 64, 96), dtype=torch.uint8))
    sum(value.sum() for value in outputs.values()).backward()
    assert all(p.grad is not None for p in net.parameters())
    assert net.mean.flatten().tolist() == net.std.flatten().tolist() == [127.5] * 3
