"""Using a checkpoint: `ocr-train test` and `ocr-train predict`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ocr_trainer import clock
from ocr_trainer.errors import CheckpointError, DataError
from ocr_trainer.formats.images import read_image, write_image
from ocr_trainer.plugin import Kind
from ocr_trainer.schema import RunConfig
from ocr_trainer.training import build, report
from ocr_trainer.training.detection.augment import resize_points
from ocr_trainer.training.checkpoint import model_state
from ocr_trainer.training.detection.data import fit, pad
from ocr_trainer.training.detection import Detector
from ocr_trainer.training.draw import draw
from ocr_trainer.training.run import collect_again, quieten, spare_imports
from ocr_trainer.training.samples import Detections, Image
from ocr_trainer.training.detection.task import DetectionTask


def rebuild(run: RunConfig, saved: dict[str, Any], folder: Path) -> Detector:
    """Make the model that a checkpoint is of, with its weights.

    Raises:
        CheckpointError: The weights do not fit the model that the configuration describes.
        PluginError: Its plugin is not installed or cannot be used.
    """
    model: Detector = build.build(Kind.model, run.model, build.context(run, folder))
    try:
        model.load_state_dict(model_state(saved))
    except RuntimeError as error:
        raise CheckpointError(f"the weights do not fit model={run.model.name}: {error}") from error
    return model.eval()


def test(
    run: RunConfig, saved: dict[str, Any], checkpoint: str, folder: Path, laps: clock.Laps
) -> dict[str, Any]:
    """Score a checkpoint on the test split, or on val where there is none; write report.json.

    Args:
        run: The configuration it was trained with, and what overrides it.
        saved: What the checkpoint holds.
        checkpoint: Its file, for the report.
        folder: Where the report goes.
        laps: The phases so far.

    Raises:
        OcrTrainerError: The data or a plugin cannot serve.
    """
    quieten()
    spare_imports()
    laps.end("import")
    model = rebuild(run, saved, folder)
    context = build.context(run, folder)
    split, loader = build.test_loader(run, model, context)
    task = DetectionTask(model, run, folder, len(loader.dataset))  # type: ignore[arg-type]
    loggers = build.build_loggers(run, context)
    trainer = build.make_trainer(
        accelerator=run.trainer.accelerator,
        devices=run.trainer.devices,
        precision=run.trainer.precision,
        limit_test_batches=build.whole(run.trainer.limit_test_batches, len(loader)),
        logger=loggers or False,
        enable_progress_bar=sys.stdout.isatty() and run.trainer.enable_progress_bar is not False,
        default_root_dir=folder,
    )
    collect_again()
    laps.end("build")
    scores = trainer.test(task, loader, verbose=False)[0]
    laps.end("test")
    told = {
        "checkpoint": checkpoint,
        "scores": dict(scores),
        "test_split": split,
        **report.summary(run, trainer, task, context.ledger),
        "seconds": laps.seconds,
    }
    report.write(folder, told)
    print(report.table(told, folder))
    return told


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
