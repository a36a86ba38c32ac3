"""Decoding: what the decoder attends to, and the results."""

from typing import ClassVar

import pytest
import torch
from ocr_trainer_parseq.model import END, PARSeq, Shape
from ocr_trainer_parseq.permutations import draw_orders, visible_context
from ocr_trainer_parseq.plugin import PARSeqConfig, Size

from ocr_trainer.plugin import Context, Task

LENGTH = 6


class Small(PARSeq):
    """PARSeq with two encoder layers."""

    shapes: ClassVar = {Size.base: Shape(dim=32, depth=2, encoder_heads=2, decoder_heads=4)}


def small(seed=0, end=1.0, **options):
    """Return a network with large random weights and varied results; `end` is the bias of [E]."""
    torch.manual_seed(seed)
    chosen = {"height": 16, "width": 64, "max_length": LENGTH, **options}
    net = Small(PARSeqConfig(**chosen), Context(task=Task.recognition, charset="abcdefgh")).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.3)
        net.head.bias[END] = end
    return net


def images_of(count, width=64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, (count, 3, 16, width), dtype=torch.uint8, generator=generator)


def read(net, images, widths=None):
    widths = torch.full((len(images),), images.shape[3]) if widths is None else torch.tensor(widths)
    with torch.no_grad():
        return net(images, widths)["logits"]


def logits_with_context(net, images, tokens, seen):
    """Return the logits with the context given and a mask over it: (batch, LENGTH + 1, classes)."""
    with torch.no_grad():
        decoder = net.decoder
        memory = net.encoder(images / 127.5 - 1, None)
        hidden = decoder(decoder.places, decoder.text_keys(tokens), decoder.image_keys(memory), seen)
        return net.head(hidden)


def context(net, logits):
    """Return [B] followed by the predicted tokens."""
    return torch.cat([torch.full((len(logits), 1), net.begin), logits[:, :-1].argmax(-1)], dim=1)


def ends(logits):
    """Return the place of the first [E] of each row, or the number of places."""
    classes = logits.argmax(-1)
    return [row.index(END) if END in row else len(row) for row in classes.tolist()]


def test_autoregressive_decoding_equals_a_causal_pass_over_its_result():
    net = small(refinements=0)
    images = images_of(12)
    logits = read(net, images)
    lengths = ends(logits)
    assert len(set(lengths)) > 2  # short ones, long ones, and one without an end
    (causal,) = visible_context(draw_orders(LENGTH, 1, False))
    expected = logits_with_context(net, images, context(net, logits), causal)
    for row, twin, length in zip(logits, expected, lengths, strict=True):
        torch.testing.assert_close(row[: length + 1], twin[: length + 1], atol=1e-4, rtol=1e-4)
        assert not row[length + 1 :].any()


def test_a_refinement_predicts_each_character_from_all_others():
    first, refined = small(refinements=0), small(refinements=1)
    images = images_of(12)
    before = read(first, images)
    tokens = context(first, before)
    seen = torch.zeros(12, 1, LENGTH + 1, LENGTH + 1, dtype=torch.bool)
    for image, end in enumerate(ends(before)):
        for query in range(LENGTH + 1):
            for column in range(LENGTH + 1):
                seen[image, 0, query, column] = column != query + 1 and column <= end
    expected = logits_with_context(first, images, tokens, seen)
    torch.testing.assert_close(read(refined, images), expected, atol=1e-4, rtol=1e-4)
    assert (expected.argmax(-1) != before.argmax(-1)).any()
    twice = read(small(refinements=2), images)
    assert not torch.allclose(twice, expected)


def test_decoding_at_once_sees_the_image_alone():
    net = small(refinements=0, decode_ar=False)
    images = images_of(4)
    seen = torch.zeros(LENGTH + 1, LENGTH + 1, dtype=torch.bool)
    seen[:, 0] = True
    tokens = torch.randint(9, (4, LENGTH + 1))
    tokens[:, 0] = net.begin
    torch.testing.assert_close(
        read(net, images), logits_with_context(net, images, tokens, seen), atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize("options", [{}, {"refinements": 0}, {"decode_ar": False}])
def test_padding_and_wider_images_in_the_batch_make_no_difference(options):
    net = small(keep_ratio=True, **options)
    widths = [64, 40, 17, 8, 1]
    batch = images_of(len(widths))
    together = read(net, batch, widths)
    assert len({tuple(row) for row in together.argmax(-1).tolist()}) > 2
    for image, width, row in zip(batch, widths, together, strict=True):
        padded = -(-width // 8) * 8  # patches are 8 wide
        alone = image[None, :, :, :padded].clone()
        alone[..., width:] = 0
        torch.testing.assert_close(read(net, alone, [width])[0], row, atol=1e-4, rtol=1e-4)


def test_in_training_padding_makes_no_difference_to_the_loss():
    net = small(keep_ratio=True, dropout=0.0).train()
    targets = {"codes": torch.tensor([[1, 2, 3], [4, 0, 0]]), "lengths": torch.tensor([3, 1])}
    widths, losses = torch.tensor([40, 24]), []
    for images in (images_of(2), images_of(2, 40)):
        images[0, :, :, :40] = images[1, :, :, :40] = 200
        images[1, :, :, :24] = 50
        torch.manual_seed(5)
        losses.append(net.loss(net(images, widths), targets)["language"].item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_the_loss_is_the_mean_over_the_targets_of_all_orders():
    """Compare with one pass per order, and one logarithm per target."""
    net = small(dropout=0.0, permutations=4).train()
    images = images_of(2)
    codes, lengths = torch.tensor([[3, 5, 7, 1], [6, 2, 0, 0]]), [4, 2]
    torch.manual_seed(9)
    targets = {"codes": codes, "lengths": torch.tensor(lengths)}
    loss = net.loss(net(images, torch.tensor([64, 64])), targets)["language"].item()
    torch.manual_seed(9)
    orders = draw_orders(4, 4, True)
    losses = []
    for number, seen in enumerate(visible_context(orders)):
        for image, length in enumerate(lengths):
            tokens = torch.cat([torch.tensor([net.begin]), 1 + codes[image, :length]])[None]
            decoder = net.decoder
            with torch.no_grad():
                hidden = decoder(
                    decoder.places[:, : length + 1],
                    decoder.text_keys(tokens),
                    decoder.image_keys(net.encoder(images[image : image + 1] / 127.5 - 1, None)),
                    seen[[*range(length), 4]][:, : length + 1],
                )
            rows = net.head(hidden)[0].log_softmax(-1)
            losses += [-rows[place, 1 + codes[image, place]].item() for place in range(length)]
            losses += [-rows[length, END].item()] if number < 2 else []
    assert len(losses) == 4 * (4 + 2) + 2 * 2
    assert loss == pytest.approx(sum(losses) / len(losses), rel=1e-4)


def test_texts_stop_at_the_end_token_and_score_it():
    net = small()
    logits = torch.full((3, LENGTH + 1, 9), -20.0)
    for place, k in enumerate([3, 1, END, 5]):
        logits[0, place, k] = 0.0
    logits[0, 1, 2] = 0.0  # as probable as "a"
    logits[0, 2, 7] = -1.0
    logits[1, 0, END] = 0.0
    logits[2, :, 8] = 0.0  # never ends
    word, empty, endless = net.decode({"logits": logits})
    end = 1 / (1 + torch.e**-1)
    assert word.text == "ca"
    assert word.scores.tolist() == pytest.approx([1.0, 0.5], abs=1e-6)
    assert word.score == pytest.approx(0.5 * end, abs=1e-6)
    assert (empty.text, len(empty.scores), empty.score) == ("", 0, pytest.approx(1.0))
    assert (endless.text, endless.score < 1e-6) == ("h" * LENGTH, True)
    assert {r.scores.dtype.name for r in (word, empty, endless)} == {"float32"}
    assert all(type(r.score) is float for r in (word, empty, endless))


def test_decoding_stops_when_all_texts_have_ended():
    net = small(end=50.0, refinements=0)
    steps = []
    net.head.register_forward_hook(lambda *_: steps.append(1))
    logits = read(net, images_of(3))
    assert (len(steps), logits.shape) == (1, (3, LENGTH + 1, 9))
    assert [r.text for r in net.decode({"logits": logits})] == ["", "", ""]


@pytest.mark.parametrize("keep_ratio", [False, True])
def test_it_exports_with_its_decoding(keep_ratio):
    net = small(keep_ratio=keep_ratio)
    images, widths = images_of(2), torch.tensor([64, 40])
    program = torch.export.export(net, (images, widths))
    torch.testing.assert_close(
        program.module()(images, widths)["logits"], read(net, images, widths.tolist()), atol=1e-4, rtol=1e-4
    )
