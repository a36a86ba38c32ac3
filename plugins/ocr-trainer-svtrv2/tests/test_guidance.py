import math

import pytest
import torch
from ocr_trainer_svtrv2.guidance import Guidance, windows
from torch.nn import functional as F

CODES = torch.tensor([[3, 1, 4, 1, 5], [2, 6, 0, 0, 0], [5, 0, 0, 0, 0]])
LENGTHS = torch.tensor([5, 2, 1])


def guidance(context: int = 3) -> Guidance:
    torch.manual_seed(0)
    return Guidance(characters=7, channels=64, context=context).eval()


def features() -> tuple[torch.Tensor, torch.Tensor]:
    mask = torch.ones(3, 12, dtype=torch.bool)
    mask[1, 5:] = False
    return torch.randn(3, 12, 64), mask


def test_windows():
    assert windows(torch.tensor([[7, 8, 9]]), 2).tolist() == [[[0, 0], [0, 7], [7, 8]]]


def test_it_is_the_mean_over_characters_of_what_one_by_one_gives():
    """A twin that takes each character and side by itself, without padding and masks."""
    net, (x, mask) = guidance(), features()
    losses = []
    for b, length in enumerate(LENGTHS.tolist()):
        text = CODES[b, :length].tolist()
        for i, code in enumerate(text):
            for side, context in ((net.left, text[:i]), (net.right, text[i + 1 :][::-1])):
                context = context[-3:]
                tokens = net.embedding(torch.tensor(context, dtype=torch.long)) * 64**0.5
                tokens = torch.cat([side.places[:1], tokens + side.places[4 - len(context) :]])[None]
                query = side.query[None, None]
                query = query + net.read(query, tokens, torch.ones(tokens.shape[:2], dtype=torch.bool))
                image = x[b, mask[b]][None]
                found = net.norm(net.look(query, image, torch.ones(image.shape[:2], dtype=torch.bool)))
                losses.append(F.cross_entropy(net.head(found)[0], torch.tensor([code])))
    assert len(losses) == 2 * LENGTHS.sum()
    torch.testing.assert_close(net(x, mask, CODES, LENGTHS), torch.stack(losses).mean())


def test_what_lies_behind_a_text_or_an_image_makes_no_difference():
    net, (x, mask) = guidance(), features()
    x2, codes = x.clone(), CODES.clone()
    x2[1, 5:] = 9
    codes[1, 2:], codes[2, 1:] = 6, 3
    torch.testing.assert_close(net(x2, mask, codes, LENGTHS), net(x, mask, CODES, LENGTHS))


@pytest.mark.parametrize("lengths", [[5, 2, 1], [1, 1, 1]])
def test_every_parameter_gets_a_gradient(lengths):
    net, (x, mask) = guidance(), features()
    net(x.requires_grad_(), mask, CODES, torch.tensor(lengths)).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
    assert x.grad.abs().sum() > 0


def learned(image: torch.Tensor) -> float:
    """Return how hard the characters of one text are to find in an image after some training."""
    net = guidance().train()
    mask = torch.ones(image.shape[:2], dtype=torch.bool)
    codes, lengths = torch.arange(7)[None], torch.tensor([7])
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        loss = net(image, mask, codes, lengths)
        loss.backward()
        optimizer.step()
    return loss.item()


def test_the_context_finds_characters_in_the_image_and_knows_nothing_without_it():
    torch.manual_seed(0)
    assert learned(torch.randn(1, 7, 64)) < 0.2
    assert learned(torch.zeros(1, 7, 64)) == pytest.approx(math.log(7), abs=0.01)
