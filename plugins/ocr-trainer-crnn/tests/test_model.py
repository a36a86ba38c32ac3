import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from ocr_trainer_crnn.model import CRNN
from ocr_trainer_crnn.network import BiLSTM
from ocr_trainer_crnn.plugin import CRNNConfig, Size

from ocr_trainer.plugin import Context, Task
from ocr_trainer.tasks.recognition import Recognizer

ALPHANUMERIC = "0123456789abcdefghijklmnopqrstuvwxyz"


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def model(charset=ALPHANUMERIC, seed=0, **options):
    torch.manual_seed(seed)
    config = CRNNConfig(**{"size": Size.tiny, **options})
    return CRNN(config, Context(task=Task.recognition, charset=charset))


def noise(count, width, height=32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, (count, 3, height, width), dtype=torch.uint8, generator=generator)


def batch(net):
    codes = torch.tensor([[1, 2, 2, 3], [5, 0, 0, 0], [4, 6, 0, 0]])
    images, widths = noise(3, 64), torch.tensor([64, 41, 30])
    return images, widths, {"codes": codes, "lengths": torch.tensor([4, 1, 2])}


def test_it_is_a_recognizer_of_its_charset():
    net = model("añ한 ")
    assert isinstance(net, Recognizer)
    assert net.charset == "añ한 "
    assert net.stride == 4
    assert {name: net.state_dict()[name].shape[0] - row for name, row in net.character_rows().items()} == {
        "head.weight": 4,
        "head.bias": 4,
    }


def by_hand(share, classes, rows=2):
    """Weights of the convolutions and their norms, of four LSTMs, of what is between and of the last layer."""
    a, b, c, d, hidden = (units // share for units in (64, 128, 256, 512, 256))
    layers = [(1, a), (a, b), (b, c), (c, c), (c, d), (d, d)]
    convolutions = sum(9 * before * after + 2 * after for before, after in layers) + 2 * rows * d * d + 2 * d

    def lstm(features):
        return 4 * hidden * (features + hidden) + 2 * 4 * hidden

    recurrent = 2 * lstm(d) + 2 * lstm(hidden)
    return convolutions + recurrent + (2 * hidden + 1) * hidden + (2 * hidden + 1) * classes


@pytest.mark.parametrize(
    ("size", "height", "count"),
    [
        (Size.base, 32, 8_330_981),
        (Size.small, 32, 2_090_885),
        (Size.tiny, 32, 526_805),
        (Size.tiny, 64, 592_341),
        (Size.tiny, 16, 494_037),
    ],
)
def test_number_of_parameters(size, height, count):
    net = model(size=size, height=height)
    assert sum(p.numel() for p in net.parameters()) == count
    assert by_hand(net.config.size.share, 37, height // 16) == count


def test_base_is_as_large_as_the_benchmark_says_of_its_crnn():
    """Baek et al., "What Is Wrong With Scene Text Recognition Model Comparisons?", ICCV 2019: 8.3 million."""
    assert round(sum(p.numel() for p in model(size=Size.base).parameters()) / 1e6, 1) == 8.3


@pytest.mark.parametrize("height", [16, 32, 48, 64])
@pytest.mark.parametrize("width", [8, 100, 128])
def test_shapes(height, width):
    net = model(height=height).eval()
    with torch.inference_mode():
        outputs = net(noise(2, width, height), torch.tensor([width, 8]))
    assert outputs["logits"].shape == (2, width // 4 - 1, 37)
    assert outputs["steps"].tolist() == [width // 4 - 1, 1]
    assert outputs["steps"].dtype == torch.int64
    assert net.steps(width) == width // 4 - 1


def test_the_papers_image_gives_24_steps():
    assert model().steps(100) == 24


@pytest.mark.parametrize("width", range(8, 33))
def test_steps_are_those_that_no_padding_is_part_of(width):
    """The last step sees the image's last whole column of features, and no step that counts sees beyond."""
    net = model().eval()
    images = noise(1, 36)
    changed = images.clone()
    changed[..., width:] = 255 - changed[..., width:]
    widths = torch.tensor([width])
    with torch.inference_mode():
        one, other = net(images, widths), net(changed, widths)
    assert one["steps"].tolist() == [net.steps(width)]
    assert torch.equal(one["logits"], other["logits"])


def test_an_image_gives_the_same_alone_and_beside_wider_ones():
    net = model().train()
    for seed in range(3):
        net(noise(4, 64, seed=seed), torch.full((4,), 64))  # statistics other than 0 and 1
    net.eval()
    widths = torch.tensor([128, 61, 30, 9])
    images = noise(4, 128)
    for image, width in zip(images, widths.tolist(), strict=True):
        image[..., width:] = 0
    with torch.inference_mode():
        together = net(images, widths)
        for place, width in enumerate(widths.tolist()):
            alone = net(images[place : place + 1, :, :, : -(-width // 4) * 4], widths[place : place + 1])
            steps = net.steps(width)
            np.testing.assert_allclose(
                alone["logits"][0, :steps].numpy(), together["logits"][place, :steps].numpy(), atol=1e-5
            )


def test_the_recurrent_layer_is_torchs_on_packed_texts():
    torch.manual_seed(0)
    ours, packed = BiLSTM(5, 3), torch.nn.LSTM(5, 3, bidirectional=True, batch_first=True)
    names = {"": ours.rightward, "_reverse": ours.leftward}
    packed.load_state_dict(
        {k + suffix: v for suffix, lstm in names.items() for k, v in lstm.state_dict().items()}
    )
    x, steps = torch.randn(4, 7, 5), torch.tensor([7, 2, 5, 1])
    expected = packed(torch.nn.utils.rnn.pack_padded_sequence(x, steps, True, enforce_sorted=False))[0]
    expected = torch.nn.utils.rnn.pad_packed_sequence(expected, batch_first=True)[0]
    counts = torch.arange(7) < steps[:, None]
    torch.testing.assert_close(ours(x, steps)[counts], expected[counts])


def test_gray_is_luma_from_minus_one_to_one():
    net = model().eval()
    seen = []
    net.features.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    images = noise(1, 32)
    images[..., :8], images[..., 8:16] = 0, 255
    net(images, torch.tensor([28]))
    red, green, blue = images[0].double().numpy()
    expected = (0.299 * red + 0.587 * green + 0.114 * blue) / 127.5 - 1
    expected[:, 28:] = 0
    np.testing.assert_allclose(seen[0][0, 0].numpy(), expected, atol=1e-5)
    assert seen[0].shape == (1, 1, 32, 32)


def test_every_parameter_takes_part():
    net = model(dropout=0.1).train()
    images, widths, targets = batch(net)
    before = images.clone()
    parts = net.loss(net(images, widths), targets)
    assert torch.equal(images, before)
    sum(parts.values()).backward()
    assert [n for n, p in net.named_parameters() if p.grad is None or not p.grad.any()] == []
    assert all(torch.isfinite(p.grad).all() for p in net.parameters())


def test_bfloat16_autocast_stays_close():
    net = model().train()
    images, widths, targets = batch(net)
    exact = net.loss(net(images, widths), targets)["ctc"]
    with torch.autocast("cpu", torch.bfloat16):
        rough = net.loss(net(images, widths), targets)["ctc"]
    assert rough.dtype == torch.float32
    rough.backward()
    assert rough.item() == pytest.approx(exact.item(), rel=0.05)


@pytest.mark.parametrize("beam", [1, 5])
def test_it_learns_a_handful_of_words(beam):
    net = model(beam=beam).train()
    images, widths, targets = batch(net)
    words = ["1223", "5", "46"]
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for step in range(150):
        loss = net.loss(net(images, widths), targets)["ctc"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 10 == 9:
            with torch.inference_mode():
                recognitions = net.eval().decode(net(images, widths))
            net.train()
            if [reading.text for reading in recognitions] == words:
                break
    assert [reading.text for reading in recognitions] == words
    assert all(0 < reading.score <= 1 for reading in recognitions)
    assert [len(reading.scores) for reading in recognitions] == [4, 1, 2]


def test_it_pickles_and_its_state_is_all_there_is():
    net, other = model().train(), model(seed=1)
    images, widths, _ = batch(net)
    net(images, widths)
    other.load_state_dict(net.state_dict())
    twin = pickle.loads(pickle.dumps(net))
    with torch.inference_mode():
        logits = [m.eval()(images, widths)["logits"] for m in (net, other, twin)]
    assert torch.equal(logits[0], logits[1])
    assert torch.equal(logits[0], logits[2])


def test_what_is_wrong_with_options_is_told():
    def faults(**options):
        return list(replace(CRNNConfig(), **options).validate())

    assert faults() == []
    assert faults(height=48, min_width=8) == []
    assert faults(height=40) == ["height=40 must be a multiple of 16"]
    assert faults(min_width=7) == ["min_width=7 must be 8 at least: narrower images give no step"]
    assert faults(min_width=90, max_width=80) == ["min_width=90 is more than max_width=80"]
