"""A damaged LMDB is refused or its good samples are read; the library would end the process."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from helpers.readers import READERS, database

from ocr_trainer.errors import DataError
from ocr_trainer.plugin import DataReport

READER = READERS["lmdb"]
DAMAGES = 30


def outcome(root: Path, data: bytes) -> tuple[int, DataReport] | None:
    """Return how many samples are read and what is left out, or None if the file is refused."""
    try:
        samples, data_report = READER.read(root, data)
    except DataError as refused:
        told = str(refused)
    else:
        assert len(samples) + len(data_report.skipped) >= data_report.images
        return len(samples), data_report
    assert str(root) in told
    assert "\n" not in told
    return None


def test_case_39_truncations_are_refused_at_opening(tmp_path: Path) -> None:
    READER.lay(tmp_path)
    assert outcome(tmp_path, READER.valid)[0] == 3
    sizes = random.Random(39).sample(range(len(READER.valid)), DAMAGES)
    assert [outcome(tmp_path, READER.valid[:size]) for size in sizes] == [None] * DAMAGES


@pytest.mark.parametrize(
    ("bits", "files"),
    [(1, DAMAGES * 10), (400, DAMAGES * 10), pytest.param(8, 20_000, marks=pytest.mark.slow)],
)
def test_case_39_flipped_bits_never_end_the_process(tmp_path: Path, bits: int, files: int) -> None:
    READER.lay(tmp_path)
    rng = random.Random(bits)
    outcomes = []
    for _ in range(files):
        data = bytearray(READER.valid)
        for _ in range(bits):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        outcomes.append(outcome(tmp_path, bytes(data)))
    assert None in outcomes or bits == 1
    assert any(found and found[0] for found in outcomes) or bits == 400


def test_case_39_random_pages_never_end_the_process(tmp_path: Path) -> None:
    """Each page in turn becomes noise behind its own head, then another page."""
    READER.lay(tmp_path)
    pages = [READER.valid[start : start + 4096] for start in range(0, len(READER.valid), 4096)]
    rng = random.Random(0)
    for place in range(len(pages)):
        noise = pages[place][:16] + rng.randbytes(4080)
        for other in (noise, rng.choice(pages), bytes(4096), pages[place][:10] + rng.randbytes(4086)):
            outcome(tmp_path, b"".join([*pages[:place], other, *pages[place + 1 :]]))


@pytest.mark.parametrize("key", ["image-000000002", "label-000000002"])
def test_case_39_a_missing_key_is_named_and_the_others_are_read(tmp_path: Path, key: str) -> None:
    READER.lay(tmp_path)
    count, data_report = outcome(tmp_path, database(without=key))
    assert count == 2
    assert any(f"has no {key}" in entry.reason for entry in data_report.skipped)
