import subprocess
import sys
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from ocr_trainer_dbnet.model import DBNet, DBNetPP
from ocr_trainer_dbnet.plugin import DBNetConfig, ResNetConfig, dbnet

from ocr_trainer.data.types import Sample
from ocr_trainer.plugin import Context, Task
from ocr_trainer.plugin.options import Side, Unclip

CONTEXT = Context(task=Task.detection)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def model(kind=DBNet, **options):
    torch.manual_seed(0)
    return kind(DBNetConfig(**{"neck_channels": 64, **options}), CONTEXT)


def sample(seed=0, size=(64, 96)):
    rng = np.random.default_rng(seed)
    image = rng.integers(200, 255, (*size, 3), dtype=np.uint8)
    image[16:44, 12:84] = rng.integers(0, 90, (28, 72, 3))
    text = np.array([[12, 16], [84, 16], [84, 44], [12, 44]], np.float32)
    return Sample(image, [text], ["text"], np.array([False]), "generated")


def batch(net, count=2):
    samples = [sample(i) for i in range(count)]
    images = torch.from_numpy(np.stack([s.image for s in samples])).permute(0, 3, 1, 2)
    encoded = [net.encode(s) for s in samples]
    return images, {key: torch.from_numpy(np.stack([e[key] for e in encoded])) for key in encoded[0]}


def test_outputs_in_training_and_evaluation():
    net = model()
    images, _ = batch(net)
    trained = net(images)
    assert set(trained) == {"probability", "logits", "threshold", "binary"}
    assert {(tuple(v.shape), v.dtype) for v in trained.values()} == {((2, 64, 96), torch.float32)}
    seen = []
    net.threshold.register_forward_hook(lambda *_: seen.append("threshold"))
    with torch.no_grad():
        assert set(net.eval()(images)) == {"probability"}
    assert not seen  # evaluation runs the probability head alone


def test_images_are_normalized_as_published_backbones_expect():
    net = model()
    seen = []
    net.backbone.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    images, _ = batch(net)
    net(images)
    expected = (images.numpy() / 255 - np.array([0.485, 0.456, 0.406])[:, None, None]) / np.array(
        [0.229, 0.224, 0.225]
    )[:, None, None]
    np.testing.assert_allclose(seen[0].numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("kind", [DBNet, DBNetPP])
def test_it_learns_and_every_parameter_gets_a_gradient(kind):
    net = model(kind)
    images, targets = batch(net)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    losses = []
    for step in range(12):
        parts = net.loss(net(images), targets)
        assert set(parts) == {"probability", "binary", "threshold"}
        total = sum(parts.values())
        optimizer.zero_grad()
        total.backward()
        if step == 0:
            idle = [n for n, p in net.named_parameters() if p.grad is None or not p.grad.any()]
            assert idle == []
        optimizer.step()
        losses.append(total.item())
    assert losses[-1] < 0.6 * losses[0]


def test_loss_weights():
    net, twice = model(), model(probability_weight=10, binary_weight=2, threshold_weight=20)
    images, targets = batch(net)
    outputs = net(images)
    once, doubled = net.loss(outputs, targets), twice.loss(outputs, targets)
    assert all(doubled[key].item() == pytest.approx(2 * once[key].item()) for key in once)


@pytest.mark.parametrize("kind", [DBNet, DBNetPP])
def test_bfloat16_autocast_stays_close(kind):
    net = model(kind)
    images, targets = batch(net)
    float32 = net.loss(net(images), targets)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = net(images)
        bfloat16 = net.loss(outputs, targets)
    assert all(value.dtype == torch.float32 for value in [*outputs.values(), *bfloat16.values()])
    sum(bfloat16.values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters())
    for key in float32:
        assert bfloat16[key].item() == pytest.approx(float32[key].item(), rel=0.1)


def test_a_batch_without_text_has_a_gradient():
    net = model()
    images, _ = batch(net)
    empty = Sample(np.zeros((64, 96, 3), np.uint8), [], [], np.zeros(0, bool), "empty")
    targets = {k: torch.from_numpy(v)[None].repeat(2, 1, 1) for k, v in net.encode(empty).items()}
    parts = net.loss(net(images), targets)
    sum(parts.values()).backward()
    assert all(torch.isfinite(part) for part in parts.values())
    assert net.probability[-1].weight.grad.any()


def test_a_state_dict_rebuilds_the_model():
    net = model().eval()
    with torch.no_grad():
        net.backbone.bn1.running_mean.uniform_()
    twin = DBNet(DBNetConfig(neck_channels=64), CONTEXT).eval()
    twin.load_state_dict(net.state_dict())
    images, _ = batch(net)
    with torch.no_grad():
        assert torch.equal(net(images)["probability"], twin(images)["probability"])
    assert not {"mean", "std"} & set(net.state_dict())


def test_decode_takes_a_batch_with_or_without_a_channel():
    net = model()
    _, targets = batch(net)
    probability = targets["shrunk"].float()
    sizes = [(64, 96), (40, 96)]
    for outputs in ({"probability": probability}, {"probability": probability[:, None].bfloat16()}):
        detections = net.decode(outputs, sizes)
        assert [len(f.polygons) for f in detections] == [1, 1]
        assert detections[1].polygons[0][:, 1].max() <= 40


def test_decode_uses_the_current_settings_and_takes_a_single_image():
    net = model()
    _, targets = batch(net)
    outputs = {"probability": targets["shrunk"].float() * 0.8}
    assert [len(f.polygons) for f in net.decode(outputs, [(64, 96)] * 2)] == [1, 1]
    heights = []
    for change in net.calibrations():
        net.config = replace(net.config, **change)
        (alone,) = net.decode({"probability": outputs["probability"][1:]}, [(64, 96)])
        heights.append(float(np.ptp(alone.polygons[0][:, 1])))
    assert len(set(heights)) == 5  # a height for each rule; the thresholds make no difference here
    net.config = replace(net.config, **{net.score_option: 0.9})
    assert [len(f.polygons) for f in net.decode(outputs, [(64, 96)] * 2)] == [0, 0]


@pytest.mark.parametrize(
    ("options", "size", "expected"),
    [
        ({}, (720, 1280), 736 / 720),
        ({}, (1280, 720), 736 / 720),
        ({"side": Side.long}, (720, 1280), 736 / 1280),
        ({"side": Side.width}, (1280, 720), 736 / 720),
        ({"side": Side.none}, (720, 1280), 1.0),
        ({"side": Side.none}, (720, 5120), 0.5),
        ({}, (100, 10_000), 2560 / 10_000),
    ],
)
def test_scale(options, size, expected):
    assert model(**options).scale(*size) == pytest.approx(expected)


def test_the_authors_kaiming_heads():
    net = model(neck_channels=256)
    assert net.probability[0].weight.std().item() == pytest.approx((2 / (256 * 9)) ** 0.5, rel=0.05)
    assert net.probability[1].bias.unique().tolist() == pytest.approx([1e-4])
    assert [m.bias is None for m in net.neck.modules() if isinstance(m, torch.nn.Conv2d)] == [True] * 8
    assert net.probability[0].bias is None
    assert tuple(net.neck.smooth[0].weight.shape) == (64, 256, 3, 3)


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50"])
def test_all_backbones_fit(name):
    net = model(backbone=ResNetConfig(name), neck_channels=16).eval()
    with torch.no_grad():
        assert net(torch.zeros(1, 3, 32, 64, dtype=torch.uint8))["probability"].shape == (1, 32, 64)


def test_invalid_options_are_reported():
    assert list(DBNetConfig().validate()) == []
    wrong = DBNetConfig(
        neck_channels=30, thresh_min=0.8, max_side=500, unclip=Unclip.exact, unclip_ratio=2.0
    )  # fmt: skip
    assert list(wrong.validate()) == [
        "neck_channels=30 must be a multiple of 4",
        "thresh_min=0.8 must be below thresh_max=0.7",
        "max_side=500 must not be below size=736",
        "unclip_ratio=2 has no effect with unclip=exact; remove one of them",
    ]


def test_the_description_is_light_and_its_defaults_lie_within_their_limits():
    heavy = {"torch", "numpy", "cv2", "pyclipper", "omegaconf", "hydra", "lightning"}
    code = f"import sys, ocr_trainer_dbnet.plugin; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    limited = [f for f in fields(dbnet.config) if "bounds" in f.metadata and f.default is not None]
    assert len(limited) > 10
    assert all(f.metadata["bounds"].admit(f.default) for f in limited)


def test_its_layers_are_the_stem_and_the_blocks_of_the_backbone_in_order():
    net = model()
    names = {parameter: name for name, parameter in net.named_parameters()}
    layers = [{".".join(names[p].split(".")[1:3]) for p in layer} for layer in net.layers_by_depth()]
    assert layers[0] == {"conv1.weight", "bn1.weight", "bn1.bias"}
    assert layers[1:] == [{f"layer{stage}.{block}"} for stage in range(1, 5) for block in range(2)]
    assert sum(map(len, net.layers_by_depth())) == len(list(net.backbone.parameters()))
