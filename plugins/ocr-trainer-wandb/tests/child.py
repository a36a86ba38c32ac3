"""One run as a process of its own: logs 20 metrics and a picture, and ends. Argument: the run's folder.

Prints "ready" after the first half; then goes on with a line from standard input, if told to wait.
"""

import argparse
import logging
import sys
from pathlib import Path

import numpy as np
from ocr_trainer_wandb.logger import factory
from ocr_trainer_wandb.plugin import Mode, WandbConfig

from ocr_trainer.plugin import Context, Task

parser = argparse.ArgumentParser()
parser.add_argument("folder", type=Path)
parser.add_argument("--mode", default="auto")
parser.add_argument("--init-timeout", type=float, default=30.0)
parser.add_argument("--finish-timeout", type=float, default=60.0)
parser.add_argument("--wait", action="store_true")
args = parser.parse_args()

logging.basicConfig(format="%(levelname)s %(message)s", level=logging.INFO)
config = WandbConfig(mode=Mode[args.mode], init_timeout=args.init_timeout, finish_timeout=args.finish_timeout)
logger = factory(config, Context(task=Task.detection, folder=args.folder, exp_name="receipts"))
logger.log_hyperparams({"model": {"lr": 0.01}})
for step in range(20):
    logger.log_metrics({"train/loss": 1 / (step + 1)}, step)
    if step == 10:
        logger.log_image("val", [np.full((4, 6, 3), 200, np.uint8)], step)
        print("ready", flush=True)
        if args.wait:
            sys.stdin.readline()
logger.finalize("success")
print("trained", flush=True)
