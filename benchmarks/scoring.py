"""Measure the time of decoding and scoring against that of the network.

    python benchmarks/scoring.py CKPT [OVERRIDE…]

This uses the images of `ocr-train test`. First, network, decoding and scoring run one after the other, to
measure each. Then they run in parallel, as in a test.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch

from ocr_trainer.checkpoint.read import read
from ocr_trainer.config.compose import compose
from ocr_trainer.config.context import run_context
from ocr_trainer.data.open import open_test
from ocr_trainer.engine.startup import quiet_logs
from ocr_trainer.evaluation.test import rebuild
from ocr_trainer.metrics.build import build_metrics
from ocr_trainer.tasks.base import task_class
from ocr_trainer.tasks.detection.scoring import Scorer, decode, images_of


def main() -> None:
    """Print the seconds of the network, of decoding and of scoring, and of all in parallel."""
    quiet_logs()
    saved = read(sys.argv[1])
    run = compose(["logger=[]", *sys.argv[2:]], saved["ocr_trainer"]["config"])
    model = rebuild(run, saved, Path())
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device)
    context = run_context(run, Path())
    kind = task_class(context.task)
    run, context, splits = kind.prepare(run, context, open_test(run, context))
    batches = list(kind.scoring_loader(splits.test, model, run))
    metrics = build_metrics(run, context)
    forward = decoding = counting = 0.0
    with torch.inference_mode():
        model(batches[0].images.to(device))  # warm up: the first pass selects kernels
        for batch in batches:
            start = time.perf_counter()
            outputs = {name: value.cpu() for name, value in model(batch.images.to(device)).items()}
            forward += time.perf_counter() - start
            for one, truth in zip(images_of(outputs, len(batch)), batch.ground_truths, strict=True):
                start = time.perf_counter()
                found = decode(model, one, truth)
                decoded = time.perf_counter()
                metrics.copy().update(found, truth)
                decoding += decoded - start
                counting += time.perf_counter() - decoded
        start = time.perf_counter()
        scorer = Scorer(model, metrics)
        for batch in batches:
            scorer.add(model(batch.images.to(device)), batch.ground_truths)
        scorer.finish()
        parallel = time.perf_counter() - start
    texts = sum(len(truth.texts) for batch in batches for truth in batch.ground_truths)
    print(f"{sum(map(len, batches))} images, {texts} texts, {device}")
    print(f"network {forward:.2f} s, decoding {decoding:.2f} s, scoring {counting:.2f} s")
    print(f"decoding and scoring / network: {(decoding + counting) / forward:.2f}")
    print(f"in parallel / network alone:    {parallel / forward:.2f}")


if __name__ == "__main__":
    main()
