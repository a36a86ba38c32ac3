"""`ocr-train predict`: what checkpoints find in images."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ocr_trainer.errors import DataError
from ocr_trainer.formats.images import read_image, write_image
from ocr_trainer.schema import RunConfig
from ocr_trainer.training.apply import rebuild
from ocr_trainer.training.detection.data import fit, pad
from ocr_trainer.training.detection.detector import Detector
from ocr_trainer.training.draw import draw
from ocr_trainer.training.geometry import resize_points
from ocr_trainer.training.run import collect_again
from ocr_trainer.training.samples import Detections, Image


def predict(run: RunConfig, saved: dict[str, Any], images: Sequence[Path], out: Path) -> int:
    """Find text in images; write `<name>.json` and the overlay `<name>.overlay.png` for each to `out`.

    An image that cannot be read is named on standard error and passed over.

    Returns:
        How many images were read.

    Raises:
        DataError: None could be read, or nothing can be written to `out`.
    """
    model = rebuild(run, saved, out)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device)
    collect_again()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"predictions cannot be written to {out}: {error.strerror}") from error
    names = _names(images)
    done = 0
    for path in images:
        try:
            image = read_image(path)
        except DataError as error:
            print(f"ocr-train: passed over: {error}", file=sys.stderr)
            continue
        found = detect(model, image)
        try:
            _write(out / names[path], path, image, found)
        except OSError as error:
            raise DataError(f"predictions cannot be written to {out}: {error.strerror}") from error
        print(f"{path}: {len(found.polygons)} texts{''.join(f'; {w}' for w in found.warnings)}")
        done += 1
    if not done:
        raise DataError(f"none of the {len(images)} images could be read")
    print(out)
    return done


@torch.inference_mode()
def detect(model: Detector, image: Image) -> Detections:
    """Find text in one image; polygons are in its pixels."""
    resized, (fx, fy) = fit(image, model)
    device = next(model.parameters()).device
    outputs = model(pad([resized], model.stride).to(device))
    found = model.decode(outputs, [(resized.shape[0], resized.shape[1])])[0]
    found.polygons = resize_points(found.polygons, 1 / fx, 1 / fy)
    return found


def _names(images: Sequence[Path]) -> dict[Path, str]:
    """Give each image its own name among the results; pictures of one name may come from several folders."""
    names: dict[Path, str] = {}
    for path in images:
        name, taken = path.stem, set(names.values())
        number = 2
        while path not in names and name in taken:
            name, number = f"{path.stem}-{number}", number + 1
        names.setdefault(path, name)
    return names


def _write(place: Path, source: Path, image: Image, found: Detections) -> None:
    detections = [
        {"polygon": polygon.round(2).astype(float).tolist(), "score": round(float(score), 4)}
        for polygon, score in zip(found.polygons, found.scores, strict=True)
    ]
    record = {
        "image": str(source),
        "width": image.shape[1],
        "height": image.shape[0],
        "detections": detections,
    }
    text = json.dumps(record, indent=1, ensure_ascii=False)
    place.with_name(f"{place.name}.json").write_text(text + "\n", encoding="utf-8")
    overlay = draw(image, found.polygons, scores=found.scores)
    write_image(place.with_name(f"{place.name}.overlay.png"), overlay)
