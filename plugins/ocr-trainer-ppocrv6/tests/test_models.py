"""The models as the core uses them: with random weights, and fine-tuned from the published ones."""

import copy
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from ocr_trainer_ppocrv6.detector import PPOCRv6Detector
from ocr_trainer_ppocrv6.layers import ConvNorm
from ocr_trainer_ppocrv6.loss import focal_loss
from ocr_trainer_ppocrv6.onnx_file import OnnxNetwork
from ocr_trainer_ppocrv6.plugin import PPOCRv6DetConfig, PPOCRv6RecConfig
from ocr_trainer_ppocrv6.recognizer import PPOCRv6Recognizer, initial_charset
from ocr_trainer_ppocrv6.weights import state_from
from torch import nn

from ocr_trainer.plugin import Context, Task
from ocr_trainer.plugin.options import Side
from ocr_trainer.tasks.recognition.data import prepare
from ocr_trainer.testing.models import _batch
from ocr_trainer.testing.recognizers import picture
from ocr_trainer.testing.samples import edge_cases

published = pytest.mark.skipif(
    find_spec("onnx") is None or find_spec("rapidocr") is None, reason="the wheel rapidocr is not installed"
)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


def detector(**options):
    return PPOCRv6Detector(PPOCRv6DetConfig(**options), Context(task=Task.detection))


def recognizer(charset, **options):
    return PPOCRv6Recognizer(PPOCRv6RecConfig(**options), Context(task=Task.recognition, charset=charset))


def batch(model):
    """Return a training batch of two images with text."""
    return _batch(model, [edge_cases(96, 128)["text"]] * 2)


def losses(model, inputs, targets, steps, lr):
    """Train for some steps; return the loss of each."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    seen = []
    for _ in range(steps):
        loss = sum(model.loss(model(*inputs), targets).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen.append(loss.item())
    return seen


def reading():
    """Return a recognizer with published weights, images that it reads, and their texts as targets."""
    texts = ["RM 20.10", "CASH", "7 DAYS"]
    charset = "".join(sorted(set("".join(texts))))
    model = recognizer(charset, weights="rapidocr")
    codes = torch.zeros((3, 8), dtype=torch.int64)
    for row, text in zip(codes, texts, strict=True):
        row[: len(text)] = torch.tensor([charset.index(character) for character in text])
    targets = {"codes": codes, "lengths": torch.tensor(list(map(len, texts)))}
    return model, prepare([picture(text) for text in texts], model), targets


def test_a_folded_bias_becomes_a_normalization_that_adds_it():
    conv = nn.Conv2d(3, 4, 3, padding=1)
    conv.bias.data.normal_()
    weights = {"kernel": conv.weight.detach().numpy(), "bias": conv.bias.detach().numpy().reshape(1, 4, 1, 1)}
    block = nn.Sequential(ConvNorm(3, 4, (3, 3)))
    state = state_from(OnnxNetwork(weights, "here", {}), block, "here")
    block.load_state_dict(block.state_dict() | state)
    images = torch.randn(2, 3, 8, 9)
    torch.testing.assert_close(block.eval()(images), conv(images), rtol=1e-6, atol=1e-6)


def test_parameters_are_as_many_as_published():
    """2.45 and 5.27 million; the files have a bias where a normalization has a weight, too."""
    assert sum(p.numel() for p in detector().network.parameters()) == 2_462_893
    assert sum(p.numel() for p in recognizer("x" * 18709).network.parameters()) == 5_277_446


def test_small_images_are_enlarged_and_large_ones_reduced():
    model = detector()
    assert model.config.side is Side.at_least
    assert [model.scale(*size) for size in ((368, 900), (736, 900), (1000, 1400), (4000, 3000))] == [
        2,
        1,
        1,
        0.5,
    ]


def test_focal_loss_is_cross_entropy_that_forgets_what_is_right():
    logits = torch.randn(2, 8, 8)
    target = (torch.rand(2, 8, 8) < 0.3).float()
    mask = (torch.rand(2, 8, 8) < 0.8).float()
    right = torch.where(target == 1, logits.sigmoid(), 1 - logits.sigmoid())
    for gamma in (0.0, 2.5):
        expected = sum(
            float(-((1 - p) ** gamma) * p.log())
            for p, used in zip(right.flatten(), mask.flatten(), strict=True)
            if used
        )
        assert focal_loss(logits, target, mask, gamma).item() == pytest.approx(
            expected / float(mask.sum()), rel=1e-4
        )


@published
def test_fine_tuning_starts_from_what_the_detector_knows():
    model = detector(weights="rapidocr")
    examples = batch(model)
    outputs = model(examples.images)
    # The threshold is the same everywhere at first, and pulls at no feature.
    assert (outputs["threshold"] == 0.5).all()
    model.loss(outputs, examples.targets)["threshold"].backward()
    assert all(p.grad is None or not p.grad.any() for p in model.network.parameters())
    seen = losses(model, [examples.images], examples.targets, 12, lr=2e-4)
    assert seen[-1] < 0.7 * seen[0]


@published
def test_folded_statistics_stay_and_training_computes_what_evaluation_does():
    model = detector(weights="rapidocr")
    examples = batch(model)
    with torch.no_grad():
        evaluated = copy.deepcopy(model).eval()(examples.images)["probability"]
    torch.testing.assert_close(model(examples.images)["probability"], evaluated)
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    before = [norm.running_var.clone() for norm in norms]
    model.train()(examples.images)
    assert all(torch.equal(norm.running_var, value) for norm, value in zip(norms, before, strict=True))
    assert all(norm.weight.requires_grad for norm in norms)


@published
def test_whether_normalizations_are_folded_goes_with_the_weights_into_a_new_model():
    saved = detector(weights="rapidocr").state_dict()
    model = detector()
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    assert all(norm.training for norm in norms)
    model.load_state_dict(saved)
    assert not any(norm.training for norm in norms)
    assert model.eval().train().training
    assert not any(norm.training for norm in norms)
    assert PPOCRv6DetConfig(weights="rapidocr").without_init_weights().weights is None


@published
@pytest.mark.parametrize("lr", [2e-4, 5e-4])
def test_a_step_of_one_size_for_all_weights_does_not_wreck_what_they_know(lr):
    """Adam's first step: every weight moves by the learning rate, against its gradient."""
    model, images, targets = reading()
    first = model.loss(model(*images), targets)["ctc"]
    first.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= lr * parameter.grad.sign()
        second = model.loss(model(*images), targets)["ctc"]
    assert first < 0.01  # from random weights, it is above 2
    assert second < 1


@published
def test_the_charset_is_cut_and_extended_with_the_rows_of_known_characters():
    whole = recognizer(initial_charset(PPOCRv6RecConfig(weights="rapidocr")), weights="rapidocr").eval()
    # The characters of Egyptian hieroglyphs are not among the published ones.
    charset = " .0123456789ABC\U00013000"
    model = recognizer(charset, weights="rapidocr").eval()
    images = prepare([picture("A1 2.C B0")], model)
    with torch.inference_mode():
        logits, all_logits = model(*images)["logits"], whole(*images)["logits"]
        text = model.decode(model(*images))[0].text
    known = [0, *(1 + whole.charset.index(character) for character in charset[:-1])]
    torch.testing.assert_close(logits[..., :-1], all_logits[..., known])
    # The new character is as unlikely as the mean of the others.
    torch.testing.assert_close(logits[..., -1], all_logits[..., 1:].mean(-1), rtol=0.02, atol=0.02)
    assert text.replace(" ", "") == "A12.CB0"


def test_a_step_is_eight_columns_of_the_canvas():
    model = recognizer("ab", canvas=64).eval()
    images = torch.randint(256, (3, 3, 48, 136), dtype=torch.uint8)
    widths = torch.tensor([20, 100, 133])
    with torch.inference_mode():
        outputs = model(images, widths)
    assert outputs["steps"].tolist() == [model.steps(width) for width in widths.tolist()] == [8, 12, 17]
    assert outputs["logits"].shape == (3, 17, 3)
    # As in a network that sees each image alone, with gray up to its canvas.
    alone = np.full((1, 3, 48, 64), 0.0, np.float32)
    alone[..., :20] = images[:1, :, :, :20].flip(1).numpy() / 127.5 - 1
    with torch.inference_mode():
        logits = model.network(torch.from_numpy(alone), torch.tensor([64]))
    torch.testing.assert_close(logits[0], outputs["logits"][0, :8], rtol=1e-4, atol=1e-5)


def test_layers_have_every_parameter_of_the_networks_but_the_heads():
    for model in (detector(), recognizer("ab")):
        layers = [id(p) for layer in model.layers_by_depth() for p in layer]
        assert len(layers) == len(set(layers))
        rest = {name.partition(".")[0] for name, p in model.network.named_parameters() if id(p) not in layers}
        assert rest <= {"head", "encoder"}
