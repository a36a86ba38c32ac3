"""Who is in train, val and test: by list files, and by a seeded share where there is no list.

A share goes by a hash of seed and name: the order of files does not matter, and an image added
later moves no other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import TypeVar

from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import read_rows
from ocr_trainer.plugin import DataReport

SPLITS = ("train", "val", "test")

T = TypeVar("T")


def position(name: str, seed: int) -> float:
    """Return where a name falls between 0 and 1, at random but always at the same place."""
    digest = blake2b(f"{seed}/{name}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


def carve(names: Iterable[str], shares: Mapping[str, float], seed: int) -> dict[str, str]:
    """Assign each name to one of the splits in `shares` or, for the rest, to 'train'.

    Names are matched with `shares` from 0 up in the given order, so a share changed later moves nothing
    between the splits before it. A split with a share above 0 gets at least one of two or more names.
    """
    positions = {name: position(name, seed) for name in sorted(names)}
    home: dict[str, str] = {}
    start = 0.0
    for split, share in shares.items():
        members = [n for n, p in positions.items() if start <= p < start + share and n not in home]
        left = [n for n in positions if n not in home]
        if share > 0 and not members and len(left) > 1:
            members = [min(left, key=positions.__getitem__)]
        home |= dict.fromkeys(members, split)
        start += share
    return {name: home.get(name, "train") for name in positions}


def carve_missing(
    members: dict[str, dict[str, T]], shares: Mapping[str, float], seed: int
) -> dict[str, dict[str, T]]:
    """Return the splits, the missing ones taken out of 'train' by share; a share of 0 makes none."""
    shares = {split: share for split, share in shares.items() if split not in members and share > 0}
    if "train" not in members or not shares:
        return members
    pool = members["train"]
    home = carve(pool, shares, seed)
    drawn = {s: {n: e for n, e in pool.items() if home[n] == s} for s in ("train", *shares)}
    return members | drawn


def read_list(path: Path, known: Mapping[str, T], data_report: DataReport) -> dict[str, T]:
    """Return those of the images `known` by stem that a list file names, one a row, in its order.

    A row is a stem or a file name; folders before it do not count. A row that names no image, or one
    named before, goes into the ledger.

    Raises:
        DataError: If there is no such file, or it is not text.
    """
    if not path.is_file():
        raise DataError(f"there is no list file '{path}'")
    listed: dict[str, T] = {}
    for line, row in read_rows(path, data_report):
        name = PurePosixPath(row.strip().replace("\\", "/")).name
        stem = name if name in known else PurePosixPath(name).stem
        if stem in known and stem not in listed:
            listed[stem] = known[stem]
            continue
        data_report.read(images=1)
        reason = "is listed before" if stem in listed else "there is no such image"
        data_report.skip_image(f"{path}:{line}", f"'{row.strip()}' {reason}")
    return listed


def refuse_overlap(members: Mapping[str, Iterable[Path | str]], files: Mapping[str, Path]) -> None:
    """Refuse an image in two splits: a score on what was trained on says nothing.

    Args:
        members: The images of each split; names take a third of the memory of paths.
        files: The file that defines each split.

    Raises:
        DataError: Names both files and the first images.
    """
    seen: dict[Path | str, str] = {}
    for split, images in members.items():
        shared: dict[str, list[Path | str]] = {}
        for image in images:
            if (other := seen.setdefault(image, split)) != split:
                shared.setdefault(other, []).append(image)
        for other, both in shared.items():
            more = f" and {len(both) - 3} more" if len(both) > 3 else ""
            raise DataError(
                f"'{files[other]}' and '{files[split]}' share {len(both)} images, but no image may be in"
                f" two splits\n  {', '.join(Path(image).name for image in both[:3])}{more}"
            )
