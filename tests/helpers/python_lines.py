"""Run the Python lines of pages and docstrings: `main` runs those of the files that the command line names.

Each file is a page or a module: its blocks of Python run in order, in one namespace. Runs get small options
in addition to those that are written, so that they take seconds.
"""

from __future__ import annotations

import functools
import re
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import cv2
import numpy as np
from helpers.checkpoints import DETECTOR, RECOGNIZER, write_checkpoint
from PIL import Image

import ocr_trainer as ocr

BLOCK = re.compile(r"^( *)```python\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
SMALL = (
    *(
        "model.size=64",
        "augment.crop=64",
        "data.batch_size=1",
        "data.num_workers=0",
        "model.neck_channels=8",
        "model.backbone.width=8",
    ),
    *("trainer.limit_train_batches=1", "trainer.limit_val_batches=1", "trainer.limit_test_batches=1"),
    *(
        "trainer.max_steps=2",
        "trainer.accelerator=cpu",
        "trainer.enable_progress_bar=false",
        "calibrate.enabled=false",
    ),
    *("ema.enabled=false", "data.log_images=0", "trainer.check_val_every_n_epoch=1"),
)
NAMED_RUN = Path("runs/receipts/2026-11-23_15-04-05")
"""A run that a docstring resumes."""


def blocks(text: str) -> Iterator[str]:
    """Return the blocks of Python in a page, or in the docstrings of a module."""
    for margin, code in BLOCK.findall(text):
        yield re.sub(f"^{margin}", "", code, flags=re.MULTILINE)


def run(file: Path, namespace: dict[str, Any]) -> int:
    """Run the blocks of a file in one namespace; return how many there are."""
    count = 0
    for count, code in enumerate(blocks(file.read_text(encoding="utf-8")), start=1):
        print(f"{file.name}, block {count}", file=sys.stderr)
        exec(compile(code, f"{file.name}, block {count}", "exec"), namespace)
    return count


def write_files() -> None:
    """Write the files that the lines name into the working directory."""
    ink = np.full((64, 96, 3), 255, np.uint8)
    cv2.putText(ink, "TOTAL", (8, 40), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (0, 0, 0), 2)
    jpeg = cv2.imencode(".jpg", ink)[1].tobytes()
    for number in range(20):
        for root in (Path("receipts"), Path("other")):
            for folder, suffix, content in (
                ("img", ".jpg", jpeg),
                ("box", ".txt", b"8,20,84,20,84,46,8,46,TOTAL\n"),
            ):
                (root / folder).mkdir(parents=True, exist_ok=True)
                (root / folder / f"{number}{suffix}").write_bytes(content)
    Path("scans").mkdir()
    for path in (Path("page.jpg"), Path("scans/1.jpg"), Path("scans/2.jpg")):
        path.write_bytes(jpeg)
    Path("scans/3.jpg").write_bytes(jpeg[:50])
    for name in ("report.pdf", "letter.pdf"):
        Image.fromarray(ink).save(name)
    for name in ("gt.zip", "results.zip"):
        with ZipFile(name, "w") as file:
            file.writestr("gt_1.txt" if name == "gt.zip" else "res_1.txt", "8,20,84,20,84,46,8,46,TOTAL\n")
    write_checkpoint(Path("detector.ckpt"), DETECTOR)
    write_checkpoint(Path("recognizer.ckpt"), (*RECOGNIZER, "model.max_width=512"), seed=3)
    write_checkpoint(Path("best.ckpt"), ("experiment=receipts", "dataset.root=receipts", *SMALL))


def main() -> None:
    """Run the files that the command line names."""
    warnings.simplefilter("ignore", UserWarning)  # of images that are skipped on purpose
    write_files()
    ocr.train, ocr.overfit = (functools.partial(function, *SMALL) for function in (ocr.train, ocr.overfit))
    export = ocr.export
    # There are not enough receipts to compare an export on.
    ocr.export = lambda checkpoint, name, out, *_: export(checkpoint, name, out, gate=False)
    for file in map(Path, sys.argv[1:]):
        if not NAMED_RUN.exists() and (finished := sorted(NAMED_RUN.parent.glob("*"))):
            shutil.copytree(finished[0], NAMED_RUN)
        assert run(file, {"ocr": ocr}), f"{file} has no block of Python"
