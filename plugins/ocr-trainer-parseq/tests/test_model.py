import copy
import pickle
import string
import subprocess
import sys
from dataclasses import fields, replace
from typing import ClassVar

import pytest
import torch
from ocr_trainer_parseq.model import PARSeq, Shape
from ocr_trainer_parseq.plugin import PARSeqConfig, Size, parseq

from ocr_trainer.plugin import Context, Task

CHARSET = "abcdefgh"
WORDS = ["abba", "cafe", "a", "head", "deaf", "bag"]


class Small(PARSeq):
    """Of two layers."""

    shapes: ClassVar = {Size.base: Shape(dim=32, depth=2, encoder_heads=2, decoder_heads=4)}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def small(charset=CHARSET, seed=0, **options):
    torch.manual_seed(seed)
    chosen = {"height": 16, "width": 64, "max_length": 6, **options}
    return Small(PARSeqConfig(**chosen), Context(task=Task.recognition, charset=charset))


def encoded(words, charset=CHARSET):
    lengths = torch.tensor([len(word) for word in words])
    codes = torch.zeros(len(words), int(lengths.max()), dtype=torch.int64)
    for row, word in zip(codes, words, strict=True):
        row[: len(word)] = torch.tensor([charset.index(c) for c in word])
    return {"codes": codes, "lengths": lengths}


def pictures(count, width=64, height=16, seed=0):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(256, (count, 3, height, width), dtype=torch.uint8, generator=generator)
    return images, torch.full((count,), width)


@pytest.mark.parametrize(
    ("size", "published", "weights"), [(Size.base, 23.833, 23_832_671), (Size.tiny, 6.0, 6_018_143)]
)
def test_it_has_as_many_weights_as_the_authors_network(size, published, weights):
    """Against the authors' README (23.833M, 94 characters) and the paper's table (6.0M)."""
    charset = string.digits + string.ascii_letters + string.punctuation
    assert len(charset) == 94
    net = PARSeq(PARSeqConfig(size=size), Context(task=Task.recognition, charset=charset))
    count = sum(p.numel() for p in net.parameters())
    assert count == weights
    assert round(count / 1e6, len(str(published).partition(".")[2])) == published


def test_outputs_in_training_and_evaluation():
    net = small()
    trained = net(*pictures(2))
    assert {key: (tuple(v.shape), v.dtype) for key, v in trained.items()} == {
        "memory": ((2, 4 * 8, 32), torch.float32)
    }
    with torch.no_grad():
        read = net.eval()(*pictures(2))
    assert {key: (tuple(v.shape), v.dtype) for key, v in read.items()} == {
        "logits": ((2, 7, 9), torch.float32)
    }


def test_images_are_scaled_to_one_around_zero():
    net = small()
    seen = []
    net.encoder.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    images, widths = pictures(2)
    net(images, widths)
    torch.testing.assert_close(seen[0], (images.float() / 255 - 0.5) / 0.5)


@pytest.mark.parametrize("options", [{}, {"keep_ratio": True}, {"permutations": 1, "mirrored": False}])
@pytest.mark.parametrize("words", [["a", "b"], WORDS, ["abcdef"]])
def test_every_parameter_gets_a_gradient_whatever_the_texts(options, words):
    net = small(**options)
    parts = net.loss(net(*pictures(len(words))), encoded(words))
    assert set(parts) == {"language"}
    parts["language"].backward()
    assert [n for n, p in net.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize("mode", [{}, {"decode_ar": False}, {"refinements": 0}])
def test_it_learns_a_few_words_and_reads_them_in_every_mode(mode):
    net = small(dropout=0.0)
    images, widths = pictures(len(WORDS))
    targets = encoded(WORDS)
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(80):
        loss = net.loss(net(images, widths), targets)["language"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    net.config = replace(net.config, **mode)
    with torch.no_grad():
        recognitions = net.eval().decode(net(images, widths))
    assert [reading.text for reading in recognitions] == WORDS
    assert all(reading.score > 0.5 for reading in recognitions)


def test_bfloat16_autocast_stays_close():
    net = small(dropout=0.0)
    losses = []
    for enabled in (False, True):
        torch.manual_seed(3)
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            loss = net.loss(net(*pictures(6)), encoded(WORDS))["language"]
        assert loss.dtype == torch.float32
        losses.append(loss)
    assert losses[1].item() == pytest.approx(losses[0].item(), rel=0.02)
    losses[1].backward()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters())
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert net.eval()(*pictures(2))["logits"].dtype == torch.float32


def test_it_pickles_copies_and_rebuilds_from_its_state():
    context = Context(task=Task.recognition, charset=CHARSET)
    config = PARSeqConfig(size=Size.tiny)
    net, other = PARSeq(config, context).eval(), PARSeq(config, context).eval()
    other.load_state_dict(net.state_dict())
    images, widths = pictures(1, 128, 32)
    with torch.no_grad():
        expected = net(images, widths)["logits"]
        for twin in (pickle.loads(pickle.dumps(net)), copy.deepcopy(net), other):
            assert torch.equal(twin(images, widths)["logits"], expected)


def test_rows_of_characters():
    """Networks whose charsets differ in size have as many more rows, from the row told on."""
    net, grown = small().state_dict(), small(CHARSET + "xyz").state_dict()
    rows = small().character_rows()
    assert {name for name in net if net[name].shape != grown[name].shape} == set(rows)
    assert set(rows.values()) == {1}
    assert all(len(grown[name]) - len(net[name]) == 3 for name in rows)
    kept = small(charset="ba")
    with torch.no_grad():
        kept.head.bias.copy_(torch.tensor([0.0, 5.0, 0.0]))  # 1 + 0 is "b"
        kept.head.weight.zero_()
        assert kept.eval().decode(kept(*pictures(1)))[0].text == "b" * 6


@pytest.mark.parametrize(
    ("options", "image", "expected"),
    [
        ({}, (32, 100), (32, 128)),
        ({}, (1, 4000), (32, 128)),
        ({"keep_ratio": True}, (32, 100), (32, 100)),
        ({"keep_ratio": True}, (64, 100), (32, 50)),
        ({"keep_ratio": True}, (1, 4000), (32, 128)),
        ({"keep_ratio": True}, (4000, 1), (32, 8)),
        ({"keep_ratio": True, "height": 48, "width": 640, "patch": [8, 4]}, (24, 200), (48, 400)),
    ],
)
def test_size(options, image, expected):
    net = Small(PARSeqConfig(**options), Context(task=Task.recognition, charset="a"))
    assert net.size(*image) == expected
    assert net.stride == net.config.patch[1]


def test_texts_that_are_too_long_are_a_fault():
    net = small()
    assert net.fault(6, 0, 64) is None
    assert net.fault(7, 2, 64) == "the text of 7 characters is longer than model.max_length=6"


def test_faults_are_told_in_the_users_words():
    assert list(PARSeqConfig().validate()) == []
    assert list(PARSeqConfig(permutations=5, mirrored=False).validate()) == []
    assert list(PARSeqConfig(height=30, width=100, permutations=5).validate()) == [
        "height=30 must be a multiple of 4, the height of a patch (patch=[4, 8])",
        "width=100 must be a multiple of 8, the width of a patch (patch=[4, 8])",
        "permutations=5 must be even with mirrored=true, as orders come in pairs; set mirrored=false for an odd number",
    ]
    assert list(PARSeqConfig(patch=[4]).validate()) == [
        "patch=[4] must be two numbers: the height and the width of a patch"
    ]


def test_the_description_is_light_and_its_defaults_lie_within_their_limits():
    heavy = {"torch", "numpy", "omegaconf", "hydra", "lightning"}
    code = f"import sys, ocr_trainer_parseq.plugin; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    limited = [f for f in fields(parseq.config) if "bounds" in f.metadata]
    defaults = PARSeqConfig()
    assert len(limited) >= 7
    for field in limited:
        value = getattr(defaults, field.name)
        assert all(field.metadata["bounds"].admit(v) for v in (value if isinstance(value, list) else [value]))
