"""Measure the startup time of commands, as ratios to the imports that they need, in one run.

    python benchmarks/startup.py [--rounds 7]

Each figure is the median over rounds in which the commands take turns, so that a machine that slows down
affects all of them. The fast commands have three times as many rounds. The first training step uses tiny
data (one page of 128 pixels): the step itself is cheap, and the figure is the time to reach it. Nothing here
is asserted.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

OCR_TRAIN = str(Path(sysconfig.get_path("scripts")) / "ocr-train")
JSON = [sys.executable, "-c", "import json"]
API = [sys.executable, "-c", "import ocr_trainer"]
SCAN = [sys.executable, "-c", "import importlib.metadata as m; m.entry_points()"]
HYDRA = [sys.executable, "-c", "import hydra"]
ENGINE = [sys.executable, "-c", "import torch, lightning.pytorch"]
TINY = [
    *(
        "model=dbnet",
        "dataset.train_pages=1",
        "dataset.height=128",
        "dataset.width=128",
        "dataset.max_words=8",
    ),
    *(
        "augment.crop=64",
        "data.batch_size=1",
        "data.num_workers=0",
        "trainer.accelerator=cpu",
        "trainer.max_steps=1",
    ),
    *("trainer.limit_val_batches=0", "trainer.limit_test_batches=0"),
]


def wall(command: list[str], environment: dict[str, str], folder: Path) -> float:
    """Return the seconds of a process, from start to exit."""
    start = time.perf_counter()
    subprocess.run(
        command, env=environment, cwd=folder, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    )
    return time.perf_counter() - start


def first_step(environment: dict[str, str], folder: Path, *overrides: str) -> float:
    """Return the seconds from the start of a process to the end of its first training step."""
    name = f"exp_name={time.monotonic_ns()}"
    wall([OCR_TRAIN, *TINY, *overrides, name], environment, folder)
    (report,) = (folder / "runs" / name.partition("=")[2]).glob("*/report.json")
    return float(json.loads(report.read_text(encoding="utf-8"))["first_step_after"])


def imported(environment: dict[str, str], folder: Path) -> float:
    """Return the seconds from the start of a process to the end of its imports, without its exit."""
    code = f"{ENGINE[2]}\nfrom ocr_trainer.runs import timing\nprint(timing.since_start())"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=folder, check=True, capture_output=True, text=True
    )
    return float(done.stdout)


def plugins(folder: Path, number: int) -> None:
    """Write the metadata of additional plugin distributions."""
    for i in range(number):
        dist_info = folder / f"ocr_trainer_fake{i}-0.1.0.dist-info"
        dist_info.mkdir(parents=True)
        header = f"Metadata-Version: 2.4\nName: ocr-trainer-fake{i}\nVersion: 0.1.0\nSummary: not there\n"
        (dist_info / "METADATA").write_text(f"{header}\nLong text.\n", encoding="utf-8")
        kind = ("models", "datasets", "loggers")[i % 3]
        entry = f"[ocr_trainer.{kind}]\nfake{i} = ocr_trainer_fake{i}.plugin:plugin\n"
        (dist_info / "entry_points.txt").write_text(entry, encoding="utf-8")


def measure(rounds: int, environment: dict[str, str], folder: Path) -> dict[str, float]:
    """Return the median of each figure, in milliseconds."""
    light: dict[str, Callable[[], float]] = {
        "import json": lambda: wall(JSON, environment, folder),
        "import ocr_trainer": lambda: wall(API, environment, folder),
        "scan": lambda: wall(SCAN, environment, folder),
        "list-plugins": lambda: wall([OCR_TRAIN, "list-plugins"], environment, folder),
        "--help": lambda: wall([OCR_TRAIN, "--help"], environment, folder),
        "import hydra": lambda: wall(HYDRA, environment, folder),
        "check": lambda: wall([OCR_TRAIN, "check", "model=dbnet"], environment, folder),
    }
    heavy: dict[str, Callable[[], float]] = {
        "import engine": lambda: wall(ENGINE, environment, folder),
        "import engine, without exit": lambda: imported(environment, folder),
        "first step": lambda: first_step(environment, folder),
        "first step, logger=tensorboard": lambda: first_step(environment, folder, "logger=tensorboard"),
        "first step, logger=wandb": lambda: first_step(environment, folder, "logger=wandb"),
    }
    # Importing torch evicts everything else from the caches, so the light commands come first.
    return in_turns(light, 3 * rounds) | in_turns(heavy, rounds)


def in_turns(figures: dict[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Measure each figure once per round; return the medians in milliseconds."""
    taken: dict[str, list[float]] = {name: [] for name in figures}
    for turn in range(rounds + 1):
        for name, figure in figures.items():
            seconds = figure()
            if turn:  # the first round warms up the disk cache
                taken[name].append(seconds)
    return {name: 1000 * statistics.median(values) for name, values in taken.items()}


RATIOS = [
    ("import ocr_trainer", "import json", 1.3),
    ("list-plugins", "scan", 1.5),
    ("--help", "scan", 1.5),
    ("check", "import hydra", 2.0),
    ("first step", "import engine", 1.0),
    ("first step", "import engine, without exit", None),
    ("first step, logger=tensorboard", "import engine", None),
    ("first step, logger=wandb", "import engine", None),
]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as temporary:
        folder, more = Path(temporary), Path(temporary) / "more"
        plugins(more, 1000)
        environment = {**os.environ, "WANDB_MODE": "offline"}
        lean = measure(rounds, environment, folder)
        crowded = measure(rounds, {**environment, "PYTHONPATH": str(more)}, folder)
    print(f"{'median of ' + str(rounds) + ' rounds, ms':45}{'as installed':>14}{'+ 1000 plugins':>16}")
    for name in lean:
        print(f"{name:45}{lean[name]:14.0f}{crowded[name]:16.0f}")
    print()
    for name, base, aim in RATIOS:
        target = f"  aim {aim}" if aim else ""
        ratios = f"{lean[name] / lean[base]:6.2f}{crowded[name] / crowded[base]:6.2f}"
        print(f"{name + ' / ' + base:74}{ratios}{target}")
    print()
    scan = crowded["scan"] - lean["scan"]
    for name in ("list-plugins", "check", "first step"):
        added = crowded[name] - lean[name]
        print(f"1000 plugins add {added:.0f} ms to {name}, {scan:.0f} to a bare scan (aim: at most 30 more)")


if __name__ == "__main__":
    main()
