"""Forty ways to mistype a run: one message each, in the user's words, status 2, and torch is not imported."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ocr_trainer.config.compose import compose
from ocr_trainer.errors import ConfigError, OcrTrainerError

Cli = Callable[..., "subprocess.CompletedProcess[str]"]

DEEP = 3000
BAD = {
    # names that do not exist, and the nearest that does
    "model=dbnt": "Did you mean 'dbnet'?",
    "dataset=sroi": "Did you mean 'sroie'?",
    "logger=tensorbord": "Did you mean 'tensorboard'?",
    "logger=[csv,wandbb]": "Did you mean 'wandb'?",
    "optimizer=adamm": "Did you mean 'adam'?",
    "schedule=cosin": "Did you mean 'cosine'?",
    "experiment=recipts": "Did you mean 'receipts'?",
    "modle=dbnet": "Did you mean 'model'?",
    "trainer.max_epoch=3": "Did you mean 'trainer.max_epochs'?",
    "optimizer.learning_rate=1": "there is no option 'optimizer.learning_rate'",
    "model.sise=640": "Did you mean 'model.size'?",
    "logger.csv.nme=x": "Did you mean 'logger.csv.name'?",
    "+ema.decai=1": "Did you mean 'ema.decay'?",
    "~trainer.max_epoch": "'~trainer.max_epoch': there is nothing to remove",
    # values of another type
    "optimizer.lr=abc": "could not be converted to Float",
    "optimizer.lr=": "optimizer.lr",
    "trainer.max_steps=1.5": "could not be converted to Integer",
    "ema.enabled=perhaps": "is not a valid bool",
    "optimizer.name=sdg": "optimizer.name is set by the core: choose a plugin with optimizer=NAME",
    "seed=[1,2]": "seed",
    "trainer={a:1}": "there is no option 'trainer.a'",
    "trainer=5": "trainer",
    "augment.scale=2": "augment.scale",
    # numbers that are none, or out of range
    "optimizer.lr=nan": "optimizer.lr must be a finite number, not nan",
    "optimizer.lr=1e300": "optimizer.lr must be a number that weights can hold, at most 1e+30, not 1e+300",
    "optimizer.lr=inf": "optimizer.lr must be a finite number, not inf",
    "optimizer.weight_decay=-inf": "optimizer.weight_decay must be",
    "ema.decay=1e400": "ema.decay must be",
    "optimizer.lr=-1": "optimizer.lr must be above 0, not -1",
    "seed=-1": "seed must be at least 0",
    "seed=" + "9" * 5000: "too many digits",
    "optimizer.lr=" + "9" * 5000: "optimizer.lr",
    "exp_name=" + "9" * 5000: "exp_name",
    # what cannot be read
    "trainer.devices=" + "[" * DEEP + "]" * DEEP: "nests its values too deeply",
    "trainer.devices=" + "{a:" * DEEP + "1" + "}" * DEEP: "nests its values too deeply",
    "optimizer.lr=[1": "cannot be parsed",
    "exp_name='open": "cannot be parsed",
    "größe=3": "cannot be parsed",
    "модель=dbnet": "cannot be parsed",
    "exp_name=a\x00b": "exp_name",
    "\x1b[2Jseed=1": "cannot be parsed",
    "=5": "=5 has no value",
    "a b": "quote a value with spaces",
    "optimizer.lr=1e-3,1e-4": "optimizer.lr",
    # references that lead nowhere
    "exp_name=${nope}": "Interpolation key 'nope' not found",
    "exp_name=${exp_name}": "Recursive interpolation",
    "exp_name=${nope:x}": "${nope:…} cannot be used",
    "exp_name=${oc.env:NO_SUCH}": "the environment variable NO_SUCH is not set",
    "exp_name='${'": "exp_name",
    # what is not given
    "dataset=sroie": "dataset.root must be given: dataset.root=…",
    "model=???": "model",
    "model=null": "model=null has no value",
    "init_from=nowhere.ckpt": "the file does not exist",
    "exp_name=../up": "must be a name for a folder",
}


def test_case_49_there_are_forty():
    assert len(BAD) >= 40


@pytest.mark.parametrize("override", BAD, ids=lambda override: ascii(override[:30]))
def test_case_49_a_bad_override_gets_one_short_message(override: str):
    with pytest.raises(OcrTrainerError) as caught:
        compose([override])
    message = str(caught.value)
    assert BAD[override] in message
    assert len(message) < 1500, "nobody reads five thousand digits"
    assert message.count("\n  - ") <= 1, "one mistake, one fault"
    assert message.isprintable() or not any(sign in message for sign in "\x00\x1b"), (
        "it is shown in a terminal"
    )
    for internal in (
        "Traceback",
        "omegaconf",
        "hydra.errors",
        "Exception",
        "NoneType",
        "ANTLR",
        "object_type",
    ):
        assert internal not in message


def test_case_49_all_at_once_they_come_in_one_message():
    bad = ["trainer.max_epoch=3", "optimizer.lr=nan", "seed=-1", "ema.enabled=perhaps"]
    with pytest.raises(ConfigError) as caught:
        compose(bad)
    assert str(caught.value).count("\n  - ") == len(bad)


@pytest.mark.parametrize("override", ["model=dbnt", "seed=" + "9" * 5000, "trainer.devices=" + "[" * DEEP])
def test_case_49_the_command_ends_with_status_2_and_without_torch(override: str, tmp_path: Path):
    code = f"import sys; sys.argv = ['ocr-train', 'model=dbnet', {override!r}]\nfrom ocr_trainer.cli.main import main\n"
    code += "status = main()\nassert 'torch' not in sys.modules\nsys.exit(status)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("ocr-train: ")
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
