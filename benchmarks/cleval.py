"""Measure the time of scoring: our CLEval against the original, and both metrics on a crowded page.

    python benchmarks/cleval.py [--reference DIR --python PYTHON] [--rounds 7]

DIR is a clone of github.com/clovaai/CLEval. It needs Polygon3, which is for non-commercial use only, so
PYTHON is the interpreter of a separate environment: `pip install Polygon3 shapely numba
opencv-python-headless tqdm numpy`. Both read and score the original's 100 documents, detection and end to
end, each in one process. They take turns, so that a machine that slows down affects both. Nothing here is
asserted.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ocr_trainer.metrics import cleval, icdar
from ocr_trainer.plugin import DataReport
from ocr_trainer.scoring.submission import read

DATA = Path(os.environ.get("OCR_TRAINER_DATA", Path(__file__).parents[2] / "shared" / "data"))
DOCUMENTS = [DATA / "metric_fixtures/cleval" / f"{side}_eval_doc_v1_kr.zip" for side in ("gt", "res")]

ORIGINAL = """
import sys, tempfile, time, types
folder, truth, found = sys.argv[1:]
# The package's __init__ imports torch for a class that this benchmark does not use.
package = types.ModuleType("cleval")
package.__path__ = [f"{folder}/cleval"]
sys.modules["cleval"] = package
sys.argv[1:] = ["-g", truth, "-s", found, "--E2E", "--DEBUG", "-o", tempfile.mkdtemp()]
from cleval.arg_parser import get_params
from cleval.main import cleval
options = get_params()
for _ in sys.stdin:
    begin, cpu = time.perf_counter(), time.process_time()
    scores = cleval(options)["all"]
    seconds = time.perf_counter() - begin, time.process_time() - cpu
    print(*seconds, scores["det"]["hmean"], scores["e2e"]["hmean"], flush=True)
"""

Figures = tuple[float, float, float, float]
"""Wall-clock seconds, CPU seconds, hmean of detection, hmean end to end."""


def ours() -> Figures:
    """Read and score the documents."""
    begin, cpu = time.perf_counter(), time.process_time()
    gt, pred = (read(path, DataReport(), None, "", confidence=False).pages for path in DOCUMENTS)
    total = cleval.Counts()
    for image, truth in gt.items():
        found = pred[image]
        ignore = [text == "###" for text in truth.texts]
        total += cleval.evaluate(truth.polygons, truth.texts, ignore, found.polygons, found.texts)
    seconds = time.perf_counter() - begin, time.process_time() - cpu
    return *seconds, total.detection.hmean, total.end_to_end.hmean


def side_by_side(reference: str, python: str, rounds: int) -> None:
    """Let both score the documents in turn, and print the ratio."""
    command = [python, "-c", ORIGINAL, reference, *map(str, DOCUMENTS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def original() -> Figures:
            print(file=process.stdin, flush=True)
            line = process.stdout.readline().split()
            if len(line) != 4:
                sys.exit("the original did not run: see above")
            return float(line[0]), float(line[1]), float(line[2]), float(line[3])

        taken = in_turns({"original": original, "ours": ours}, rounds)
        process.stdin.close()
    print(f"{'median of ' + str(rounds) + ' rounds':20}{'s':>8}{'CPU s':>8}  detection           end to end")
    for name, (wall, cpu, detection, end_to_end) in taken.items():
        print(f"{name:20}{wall:8.2f}{cpu:8.2f}  {detection:<18.15g}  {end_to_end:<18.16g}")
    wall, cpu = (taken["original"][i] / taken["ours"][i] for i in (0, 1))
    print(f"{'ratio':20}{wall:8.1f}{cpu:8.1f}  (aim: 10)")


def in_turns(figures: dict[str, Callable[[], Figures]], rounds: int) -> dict[str, list[float]]:
    """Measure each figure once per round; return the medians."""
    taken: dict[str, list[Figures]] = {name: [] for name in figures}
    for turn in range(rounds + 1):
        for name, figure in figures.items():
            values = figure()
            if turn:  # the first round compiles the original and warms up the disk cache
                taken[name].append(values)
    return {n: [statistics.median(v) for v in zip(*values, strict=True)] for n, values in taken.items()}


def crowded(count: int, rounds: int) -> None:
    """Print the scoring time of one page with as many detections as words."""
    rng = np.random.default_rng(5)
    across = int(count**0.5)
    corners = np.stack(np.divmod(np.arange(count), across), axis=1)[:, None, ::-1] * (60, 20)
    words = corners + np.array([(0, 0), (50, 0), (50, 14), (0, 14)]) + rng.normal(0, 1, (count, 4, 2))
    found, texts, ignore = (
        words + rng.normal(0, 1.5, words.shape),
        ["letters"] * count,
        rng.random(count) < 0.05,
    )
    metrics = {
        "icdar": lambda: icdar.match(words, ignore, found),
        "cleval": lambda: cleval.evaluate(words, texts, ignore, found),
        "cleval, end to end": lambda: cleval.evaluate(words, texts, ignore, found, texts),
    }
    print(f"\na page of {count} words and {count} detections, ms")
    for name, metric in metrics.items():
        seconds = []
        for _ in range(rounds):
            begin = time.perf_counter()
            metric()
            seconds.append(time.perf_counter() - begin)
        print(f"{name:20}{1000 * statistics.median(seconds):8.0f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--reference", metavar="DIR", help="a clone of clovaai/CLEval")
    parser.add_argument(
        "--python", default=sys.executable, help="interpreter with the requirements of CLEval"
    )
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    if options.reference:
        side_by_side(options.reference, options.python, options.rounds)
    for count in (1000, 3000):
        crowded(count, options.rounds)


if __name__ == "__main__":
    main()
