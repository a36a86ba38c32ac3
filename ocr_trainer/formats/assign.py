"""Assign images to train, val and test: by list files, and by a seeded share where there is no list.

Shares use a hash of seed and name. They do not depend on the order of files, and an image that is added
later does not move any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import TypeVar

from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import read_rows
from ocr_trainer.formats.names import NameIndex, composed, path_suffixes, without_suffix
from ocr_trainer.plugin import DataReport

SPLITS = ("train", "val", "test")

T = TypeVar("T")


def position(name: str, seed: int) -> float:
    """Return a pseudo-random position in [0, 1) that depends only on the name and the seed."""
    digest = blake2b(f"{seed}/{name}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


def assign_splits(names: Iterable[str], shares: Mapping[str, float], seed: int) -> dict[str, str]:
    """Assign each name to a split in `shares`, or to "train" for the remainder.

    Names are compared with the cumulative shares in the given order, so changing a later share never moves
    a name between the earlier splits. A split with a share above 0 gets at least one name if there are two
    or more.

    Args:
        names: NameIndex of the images, in any order.
        shares: Fraction of each split, 0 to 1.
        seed: Seed of the hash.

    Returns:
        The split of each name.
    """
    positions = {name: position(name, seed) for name in sorted(names)}
    assigned: dict[str, str] = {}
    start = 0.0
    for split, share in shares.items():
        members = [n for n, p in positions.items() if start <= p < start + share and n not in assigned]
        remaining = [n for n in positions if n not in assigned]
        if share > 0 and not members and len(remaining) > 1:
            members = [min(remaining, key=positions.__getitem__)]
        assigned |= dict.fromkeys(members, split)
        start += share
    return {name: assigned.get(name, "train") for name in positions}


def fill_missing_splits(
    members: dict[str, dict[str, T]], shares: Mapping[str, float], seed: int
) -> dict[str, dict[str, T]]:
    """Take the missing splits out of "train" by share. Neither a share of 0 nor a single image creates one.

    Args:
        members: Images of each existing split, by name.
        shares: Fraction of each split that may be missing.
        seed: Seed of the hash.

    Returns:
        The splits, with the new ones added and their images removed from "train".
    """
    shares = {split: share for split, share in shares.items() if split not in members and share > 0}
    if "train" not in members or not shares:
        return members
    pool = members["train"]
    assigned = assign_splits(pool, shares, seed)
    names = ("train",) if len(pool) == 1 else ("train", *shares)
    drawn = {s: {n: e for n, e in pool.items() if assigned[n] == s} for s in names}
    return members | drawn


def read_list(path: Path, known: Mapping[str, T], data_report: DataReport) -> dict[str, T]:
    """Return the images that a list file names, in the order of the list.

    A row is a stem or a file name; leading folders that do not exist are ignored. A row that names no image,
    or an image that was already named, is recorded in the data report.

    Args:
        path: List file with one image per row.
        known: Images by their relative names without suffix.
        data_report: Receives the counts and the reasons.

    Raises:
        DataError: If the file is missing or not text.
    """
    if not path.is_file():
        raise DataError(f"there is no list file '{path}'")
    listed: dict[str, T] = {}
    names = NameIndex(known)
    for line, row in read_rows(path, data_report):
        tails = [stem for tail in path_suffixes(row.strip()) for stem in (tail, without_suffix(tail))]
        stem = next((found for tail in tails if (found := names.find(tail)) is not None), None)
        if stem is not None and stem not in listed:
            listed[stem] = known[stem]
            continue
        data_report.read(images=1)
        reason = (
            "is already listed" if stem is not None else f"there is no such image{_similar(tails, known)}"
        )
        data_report.skip_image(f"{path}:{line}", f"'{row.strip()}' {reason}")
    return listed


def _similar(tails: Sequence[str], known: Iterable[str]) -> str:
    """Return a hint at an image whose name differs only in case or folder from those that a row may mean."""
    wanted = {composed(PurePosixPath(tail).name).casefold() for tail in tails[-2:]}
    similar = next((k for k in known if composed(PurePosixPath(k).name).casefold() in wanted), None)
    return f"; there is '{similar}'" if similar else ""


def refuse_overlap(members: Mapping[str, Iterable[Path | str]], files: Mapping[str, Path]) -> None:
    """Raise an error if two splits share an image: a score on training data is meaningless.

    Args:
        members: Images of each split. NameIndex take a third of the memory of paths.
        files: The file that defines each split.

    Raises:
        DataError: If an image is in two splits. NameIndex both files and the first images.
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
