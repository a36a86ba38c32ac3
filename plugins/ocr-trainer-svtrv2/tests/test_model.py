import pickle
from dataclasses import fields

import pytest
import torch
from ocr_trainer_svtrv2.model import SVTRv2
from ocr_trainer_svtrv2.plugin import Size, SVTRv2Config, svtrv2

from ocr_trainer.plugin import Context, Task

CHARSET = "abcde fgh가각"


def model(seed: int = 0, **options) -> SVTRv2:
    torch.manual_seed(seed)
    config = SVTRv2Config(**{"size": Size.tiny, "height": 16} | options)
    return SVTRv2(config, Context(task=Task.recognition, charset=CHARSET))


def stirred(**options) -> SVTRv2:
    """A model whose biases, norms and running statistics are those of no fresh one."""
    net = model(**options)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            if tensor.is_floating_point() and tensor.ndim == 1:
                tensor += 0.3 * torch.rand_like(tensor)
            assert tensor.isfinite().all(), name
    return net.eval()


def words(height: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    widths, generator = torch.tensor([40, 1, 9, 14, 37]), torch.Generator().manual_seed(2)
    images = torch.randint(1, 256, (5, 3, height, 40), dtype=torch.uint8, generator=generator)
    return images.masked_fill(torch.arange(40) >= widths[:, None, None, None], 0), widths


TARGETS = {
    "codes": torch.tensor([[0, 1, 1, 10], [2, 0, 0, 0], [3, 0, 0, 0], [4, 9, 0, 0], [5, 6, 7, 0]]),
    "lengths": torch.tensor([4, 1, 1, 2, 3]),
}


@pytest.mark.parametrize("height", [16, 20])
def test_padding_makes_no_difference(height):
    net = stirred(height=height)
    images, widths = words(height)
    with torch.inference_mode():
        together = net(images, widths)
        for i, width in enumerate(widths.tolist()):
            steps = net.steps(width)
            alone = net(images[i : i + 1, :, :, : 4 * steps], widths[i : i + 1])
            assert alone["steps"].tolist() == [together["steps"][i]] == [steps]
            torch.testing.assert_close(together["logits"][i, :steps], alone["logits"][0], atol=1e-5, rtol=0)


def test_what_the_padding_holds_makes_no_difference():
    net = stirred()
    images, widths = words()
    beyond = torch.arange(40) >= widths[:, None, None, None]
    with torch.inference_mode():
        clean, dirty = net(images, widths), net(images.masked_fill(beyond, 200), widths)
    for i, steps in enumerate(clean["steps"]):
        assert torch.equal(clean["logits"][i, :steps], dirty["logits"][i, :steps])


@pytest.mark.parametrize("sgm", [True, False])
def test_outputs(sgm):
    net = model(sgm=sgm)
    outputs = net.train()(*words())
    assert set(outputs) == {"logits", "steps"} | ({"features"} if sgm else set())
    assert outputs["logits"].shape == (5, 10, 1 + len(CHARSET))
    assert outputs["logits"].dtype == torch.float32
    assert outputs["steps"].tolist() == [net.steps(w) for w in (40, 1, 9, 14, 37)] == [10, 1, 3, 4, 10]
    assert set(net.loss(outputs, TARGETS)) == {"ctc"} | ({"sgm"} if sgm else set())


def test_an_untrained_model_expects_mostly_blanks():
    images, widths = words()
    blanks = model().eval()(images, widths)["logits"].softmax(-1)[..., 0]
    assert blanks.min() > 0.6
    assert blanks.max() < 0.9


def test_reading_does_without_the_guidance():
    net = model().eval()
    with torch.inference_mode():
        before = net(*words())
        del net.guidance  # whoever touches it now fails
        after = net(*words())
    assert set(before) == {"logits", "steps"}
    assert torch.equal(before["logits"], after["logits"])


def test_the_guidance_teaches_the_encoder():
    net = model(sgm_weight=2.0).train()
    outputs = net(*words())
    parts = net.loss(outputs, TARGETS)
    parts["sgm"].backward()
    assert net.encoder.stem.conv1.weight.grad.abs().sum() > 0
    assert net.head.weight.grad is None
    net.config.sgm_weight = 1.0
    assert parts["sgm"].item() == pytest.approx(2 * net.loss(outputs, TARGETS)["sgm"].item())


@pytest.mark.parametrize("sgm", [True, False])
def test_every_parameter_gets_a_gradient(sgm):
    net = model(sgm=sgm).train()
    torch.stack(list(net.loss(net(*words()), TARGETS).values())).sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_character_rows_are_rows_of_characters():
    for net in (model(), model(sgm=False)):
        rows, state = net.character_rows(), net.state_dict()
        known = {"head.weight": 1, "head.bias": 1}
        guided = {f"guidance.{name}": 0 for name in ("embedding.weight", "head.weight", "head.bias")}
        assert rows == (known | guided if net.guidance else known)
        assert all(len(state[name]) == first + len(CHARSET) for name, first in rows.items())


def test_a_pickled_model_reads_the_same():
    net = stirred()
    with torch.inference_mode():
        there, here = pickle.loads(pickle.dumps(net))(*words()), net(*words())
    assert torch.equal(there["logits"], here["logits"])


def test_it_learns_a_handful_of_words():
    texts = ["bad", "a dead", "가각가"]
    codes = torch.tensor([[CHARSET.index(c) for c in text.ljust(6)] for text in texts])
    targets = {"codes": codes, "lengths": torch.tensor([len(text) for text in texts])}
    widths = torch.tensor([24, 36, 20])
    images = torch.randint(256, (3, 3, 8, 36), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))
    net = model(height=8, drop_path=0)
    optimizer = torch.optim.AdamW(net.parameters(), lr=5e-4)
    for step in range(1, 101):
        parts = net.train().loss(net(images, widths), targets)
        optimizer.zero_grad()
        torch.stack(list(parts.values())).sum().backward()
        optimizer.step()
        if step % 10 == 0:
            with torch.inference_mode():
                read = [reading.text for reading in net.eval().decode(net(images, widths))]
            if read == texts:
                break
    assert read == texts


def test_faults_are_told_in_the_users_words():
    assert list(SVTRv2Config().validate()) == []
    assert list(SVTRv2Config(min_width=64, max_width=32).validate()) == [
        "min_width=64 is more than max_width=32"
    ]


def test_the_defaults_lie_within_their_limits():
    limited = [f for f in fields(svtrv2.config) if "bounds" in f.metadata]
    assert {"drop_path", "sgm_weight", "context", "beam", "height"} <= {f.name for f in limited}
    assert all(f.metadata["bounds"].admit(f.default) for f in limited)
