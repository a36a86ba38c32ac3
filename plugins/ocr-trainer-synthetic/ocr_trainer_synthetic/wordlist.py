"""The default words: English words, amounts as on receipts, random letters."""

from __future__ import annotations

import numpy as np

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
COMMON = """
    a an and are as at be bill black by cafe card cash center change city coffee copy customer date day
    discount exit for free from garden gift goods green hotel house in invoice is it item large market
    milk more name new no not number of on open or order paid park please price qty receipt red return
    road sale service shop small station stop store street subtotal sugar sum table tax tea tel thank
    that the this time to total unit was water with you your
"""
VOCABULARY = COMMON.split()
CHARACTERS = "".join(sorted(LETTERS + "#$,-./:"))
"""Every character of these words, by code point."""


def word(rng: np.random.Generator) -> str:
    """Return a random word: an English word, an amount, or random letters."""
    kind = rng.random()
    if kind < 0.2:
        return amount(rng)
    if kind < 0.45:
        return "".join(LETTERS[i] for i in rng.integers(len(LETTERS), size=rng.integers(1, 11)))
    word = VOCABULARY[rng.integers(len(VOCABULARY))]
    word = (word, word.title(), word.upper())[rng.integers(3)]
    return word + ":" if kind > 0.95 else word


def amount(rng: np.random.Generator) -> str:
    """Return a random number as on receipts: a price, a count, a date, a time, a code."""
    a, b, c = rng.integers(100, size=3).tolist()
    forms = (
        f"{a}.{b:02}",
        f"${a}.{b:02}",
        f"{a},{b:02}{c % 10}",
        f"{a}",
        f"x{a % 10}",
        f"#{a:02}{b:02}{c:02}",
        f"{a % 24:02}:{b % 60:02}",
        f"{a % 28 + 1:02}/{b % 12 + 1:02}/20{c:02}",
        f"20{c:02}-{b % 12 + 1:02}-{a % 28 + 1:02}",
    )
    return forms[rng.integers(len(forms))]
