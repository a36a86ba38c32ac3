import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ocr_trainer_parseq.permutations import IGNORED, draw_orders, order_targets, visible_context

lengths = st.integers(1, 9)


def seen_by(order, target, second):
    """Columns that a target sees, told one by one: 0 is [B], 1 + j is character j."""
    if target == len(order):
        return {0} if second else {0, *(1 + character for character in order)}
    before = itertools.takewhile(lambda character: character != target, order)
    return {0, *(1 + character for character in before)}


@settings(max_examples=60, deadline=None)
@given(lengths, st.integers(1, 4), st.booleans(), st.integers(0, 2**32))
def test_each_target_sees_what_comes_before_it_in_its_order(length, pairs, mirrored, seed):
    torch.manual_seed(seed)
    orders = draw_orders(length, 2 * pairs, mirrored)
    visible = visible_context(orders)
    assert visible.shape == (len(orders), length + 1, length + 1)
    for number, order in enumerate(orders.tolist()):
        for target in range(length + 1):
            columns = set(visible[number, target].nonzero().flatten().tolist())
            assert columns == seen_by(order, target, number == 1)


@settings(max_examples=60, deadline=None)
@given(lengths, st.integers(1, 8), st.integers(0, 2**32))
def test_orders_are_distinct_permutations_and_as_many_as_asked_for(length, count, seed):
    torch.manual_seed(seed)
    orders = draw_orders(length, count, mirrored=False).tolist()
    assert all(sorted(order) == list(range(length)) for order in orders)
    assert orders[0] == list(range(length))
    if count > 1:
        assert orders[1] == orders[0][::-1]
    if length == 1:  # [E] alone tells its two orders apart
        assert len(orders) == min(count, 2)
    else:
        assert len(orders) == len(set(map(tuple, orders))) == min(count, math.factorial(length))


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 9), st.integers(1, 12), st.integers(0, 2**32))
def test_mirrored_orders_come_in_pairs(length, pairs, seed):
    torch.manual_seed(seed)
    orders = draw_orders(length, 2 * pairs, mirrored=True)
    assert len(orders) == min(2 * pairs, math.factorial(length))
    assert torch.equal(orders[1::2], orders[::2].flip(1))
    assert len(set(map(tuple, orders.tolist()))) == len(orders)


def test_all_orders_of_a_short_text_can_be_had():
    for mirrored in (True, False):
        orders = draw_orders(4, 100, mirrored)
        assert sorted(map(tuple, orders.tolist())) == list(itertools.permutations(range(4)))


def test_orders_are_drawn_evenly_and_from_torchs_generator():
    torch.manual_seed(1)
    first = draw_orders(12, 6, True)
    assert not torch.equal(first, draw_orders(12, 6, True))
    torch.manual_seed(1)
    assert torch.equal(first, draw_orders(12, 6, True))
    torch.manual_seed(2)
    drawn = [tuple(draw_orders(3, 3, False)[2].tolist()) for _ in range(2000)]
    others = [p for p in itertools.permutations(range(3)) if p not in ((0, 1, 2), (2, 1, 0))]
    assert sorted(set(drawn)) == others
    # 4 of them: 500 each, with a standard deviation of 19.
    assert all(400 < drawn.count(order) < 600 for order in others)


def test_the_first_order_is_causal_and_the_second_its_reverse():
    forward, backward = visible_context(draw_orders(5, 2, True))
    assert torch.equal(forward, torch.ones(6, 6, dtype=torch.bool).tril())
    reverse = torch.ones(6, 6, dtype=torch.bool).triu(2)
    reverse[:, 0] = True
    assert torch.equal(backward, reverse)


@pytest.mark.parametrize("orders", [1, 2, 5])
def test_the_end_is_learned_in_the_first_two_orders(orders):
    targets = torch.tensor([[4, 7, 0], [9, 0, IGNORED]])
    ordered = order_targets(targets, orders, end=0)
    assert ordered.shape == (2, orders, 3)
    for number in range(orders):
        expected = targets if number < 2 else torch.tensor([[4, 7, IGNORED], [9, IGNORED, IGNORED]])
        assert torch.equal(ordered[:, number], expected)
    assert torch.equal(targets, torch.tensor([[4, 7, 0], [9, 0, IGNORED]]))
