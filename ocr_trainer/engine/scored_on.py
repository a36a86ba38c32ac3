"""What a test was scored on: the split, its size, and what else was chosen on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ocr_trainer.config.schema import RunConfig, plain
from ocr_trainer.data.types import Scored

SHARES = ("val_share", "test_share", "split_seed")
"""Options of datasets that draw splits by chance, from what they do not split themselves."""


def same_data(run: RunConfig, saved: Mapping[str, Any] | None) -> bool:
    """Return whether a run reads the data that a checkpoint was trained on, however that is split.

    Args:
        run: The run.
        saved: The configuration in the checkpoint; None in the run that trained it.
    """
    if saved is None:
        return True
    own, theirs = plain(run.dataset), saved.get("dataset", {})
    return bool(_without_shares(own) == _without_shares(theirs))


def _without_shares(options: Any) -> Any:
    if not isinstance(options, Mapping):
        return options
    return {key: _without_shares(value) for key, value in options.items() if key not in SHARES}


def scored_on(
    split: str | None,
    scored: Scored,
    of_images: int,
    run: RunConfig,
    content: Mapping[str, Any] | None = None,
    calibration: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the entry of report.json that says what a test was scored on.

    Args:
        split: The split, or None without a test.
        scored: What was counted.
        of_images: Number of images of the whole dataset; 0 if it is not known.
        run: The run.
        content: What the checkpoint says about its training; None in the run that trained it.
        calibration: How its options were calibrated, if they were.
    """
    if split is None:
        return {}
    saved = None if content is None else content.get("config", {})
    same = same_data(run, saved)
    notes = list(_notes(split, scored, of_images, run, saved, same))
    return {
        "split": split,
        "images": scored.images,
        "texts": scored.texts,
        "dont_care": scored.dont_care,
        "of_images": max(of_images, scored.images),
        "chosen_on_it": list(_chosen(run, saved, calibration)) if same and split == "val" else [],
        "notes": notes,
    }


def _chosen(
    run: RunConfig, saved: Mapping[str, Any] | None, calibration: Mapping[str, Any] | None
) -> Iterator[str]:
    """Yield what was chosen on the val split."""
    monitor = (saved or {}).get("checkpoint", {}).get("monitor") or run.checkpoint.monitor or run.MONITOR
    yield f"the best checkpoint, by val/{monitor}"
    if calibration and calibration.get("chosen"):
        yield ", ".join(f"model.{name}" for name in calibration["chosen"])


def _notes(
    split: str,
    scored: Scored,
    of_images: int,
    run: RunConfig,
    saved: Mapping[str, Any] | None,
    same: bool,
) -> Iterator[str]:
    if saved is not None and same and plain(run.dataset) != saved.get("dataset"):
        yield "its images are drawn in another way than in training, which may have seen them"
    if split == "train" and same:
        yield "the model was trained on these images"
    share = getattr(run.dataset, "val_share", 0)
    if split == "val" and not same and share and of_images > scored.images:
        yield (
            f"val is what the dataset defines as such, or a share of its training images "
            f"(dataset.val_share={share:g}): dataset.val_share=0 scores all of them"
        )


def rows(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the rows of the closing table for an entry of `scored_on`."""
    if not entry:
        return
    texts = f"{entry['texts']:,} texts" + (
        f" ({entry['dont_care']:,} don't care)" if entry["dont_care"] else ""
    )
    images = f"{entry['images']:,} images"
    if entry["of_images"] > entry["images"]:
        images = f"{entry['images']:,} of {entry['of_images']:,} images"
    yield "tested on", f"{images}, the {entry['split']} split: {texts}"
    if entry["chosen_on_it"]:
        yield "chosen on it", f"{'; '.join(entry['chosen_on_it'])}: the scores are optimistic"
    for note in entry["notes"]:
        yield "note", note
