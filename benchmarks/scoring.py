"""What scoring costs beside the network: `python benchmarks/scoring.py CKPT [OVERRIDE…]`.

Takes the images that `ocr-train test` would take. Each is sent through the network and then decoded and
scored, one after the other, so that the two can be told apart; in a run they go on side by side.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch

from ocr_trainer.checkpoint.read import read
from ocr_trainer.config.compose import compose
from ocr_trainer.engine import build
from ocr_trainer.engine.startup import quiet_logs
from ocr_trainer.evaluation.test import rebuild
from ocr_trainer.tasks.detection.scoring import Scorer, decode, images_of
from ocr_trainer.tasks.detection.tally import tally_image


def main() -> None:
    """Print seconds for the network, decoding and scoring, and for all of it side by side."""
    quiet_logs()
    saved = read(sys.argv[1])
    run = compose(["logger=[]", *sys.argv[2:]], saved["ocr_trainer"]["config"])
    model = rebuild(run, saved, Path())
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device)
    _, loader = build.test_loader(run, model, build.context(run, Path()))
    batches = list(loader)
    forward = decoding = counting = 0.0
    with torch.inference_mode():
        model(batches[0].images.to(device))  # the first pass chooses kernels
        for batch in batches:
            began = time.perf_counter()
            outputs = {name: value.cpu() for name, value in model(batch.images.to(device)).items()}
            forward += time.perf_counter() - began
            for one, truth in zip(images_of(outputs, len(batch)), batch.ground_truths, strict=True):
                began = time.perf_counter()
                found = decode(model, one, truth)
                decoded = time.perf_counter()
                tally_image(truth, found)
                decoding += decoded - began
                counting += time.perf_counter() - decoded
        began = time.perf_counter()
        scorer = Scorer(model)
        for batch in batches:
            scorer.add(model(batch.images.to(device)), batch.ground_truths)
        tally = scorer.finish()
        together = time.perf_counter() - began
    print(f"{tally.images} images, {tally.icdar.cared_truths} texts, {device}")
    print(f"network {forward:.2f} s, decoding {decoding:.2f} s, scoring {counting:.2f} s")
    print(f"decoding and scoring / network: {(decoding + counting) / forward:.2f}")
    print(f"side by side / network alone:   {together / forward:.2f}")


if __name__ == "__main__":
    main()
