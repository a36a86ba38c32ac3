"""Calls of the Python API in a process of their own, which must be the same after each; see test_guest.py.

It is a script: `python guest_calls.py RECOGNIZER.ckpt`, with this folder's parent on PYTHONPATH.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from helpers.state import process_state

TINY = [
    *(
        "model=dbnet",
        "model.neck_channels=8",
        "model.backbone.width=8",
        "model.size=128",
        "augment.crop=64",
        "data.batch_size=1",
    ),
    *("dataset.height=128", "dataset.width=128", "dataset.train_pages=2", "dataset.val_pages=1"),
    *("dataset.test_pages=1", "trainer.max_epochs=1", "trainer.accelerator=cpu", "data.num_workers=0"),
]


def unchanged(name: str, call: Callable[[], object]) -> object:
    """Make a call and compare the process before and after."""
    before = process_state()
    result = call()
    after = process_state()
    # What a library does when it is imported is compared from the next call on.
    changed = [what for what in before if before[what] != after[what]]
    assert not changed, f"{name} changed {', '.join(changed)}: {[(before[w], after[w]) for w in changed]}"
    return result


def refused(call: Callable[[], object], ocr: object) -> None:
    """Make a call that must raise an error of ours."""
    with suppress(ocr.OcrTrainerError):  # type: ignore[attr-defined]
        call()
        raise AssertionError("not refused")


def main() -> None:
    """Make all calls, some before torch is imported, some after, and in another thread."""
    warnings.simplefilter("error", UserWarning)
    random.seed(3)
    import ocr_trainer as ocr

    unchanged("plugins", lambda: ocr.plugins("model"))
    unchanged("check", lambda: ocr.check(*TINY))
    unchanged("a wrong check", lambda: refused(lambda: ocr.check("model=dbnt"), ocr))
    Path("gt.txt").write_text("a.png\tone\n")
    unchanged("score", lambda: ocr.score("gt.txt", "gt.txt", metric="text"))
    rest(ocr)


def rest(ocr: object) -> None:
    """Make the calls that import torch."""
    recognizer = sys.argv[1]
    fresh = unchanged("load", lambda: ocr.load(recognizer))
    import numpy as np
    import torch

    np.random.seed(5)
    torch.manual_seed(5)
    torch.set_num_threads(1)
    image = np.full((32, 90, 3), 255, np.uint8)
    unchanged("predict", lambda: fresh.predict(image))
    unchanged("a stream", lambda: list(fresh.predict([image, image])))
    run = unchanged("train", lambda: ocr.train(*TINY, trainer={"deterministic": True}))
    unchanged("a run that fails", lambda: refused(lambda: ocr.train(*TINY, dataset={"train_pages": 0}), ocr))
    unchanged("resume", lambda: ocr.resume(run.folder))
    unchanged("evaluate", lambda: ocr.evaluate(run.best))
    unchanged("load a run", lambda: ocr.load(run.folder))
    unchanged("check_data", lambda: ocr.check_data(*TINY))
    unchanged("overfit", lambda: ocr.overfit(*TINY, steps=1))
    unchanged("train in a thread", lambda: in_thread(lambda: ocr.train(*TINY)))
    if os.fork:
        unchanged("train with a worker", lambda: ocr.train(*TINY, data={"num_workers": 1}))
        unchanged("train with a worker again", lambda: ocr.train(*TINY, data={"num_workers": 1}))


def in_thread(call: Callable[[], object]) -> object:
    """Make a call in another thread."""
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(call()))
    thread.start()
    thread.join()
    return results[0]


if __name__ == "__main__":
    main()
