"""Imports are decisions: what each part of the light half may load, as in docs/architecture.md.

`python -X importtime -m ocr_trainer …` shows why, when one of these fails.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {
    "torch",
    "lightning",
    "pytorch_lightning",
    "numpy",
    "cv2",
    "PIL",
    "shapely",
    "wandb",
    "tensorboard",
    "rich",
}
HYDRA = {"hydra", "omegaconf"}
LOADED = "import json, sys; sys.stdout.flush(); print(json.dumps(sorted(sys.modules)), file=sys.stderr)"


def modules_after(code: str) -> set[str]:
    """Return the modules that a fresh interpreter holds after some code."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{LOADED}"], capture_output=True, text=True, timeout=60, check=True
    )
    return set(json.loads(done.stderr.splitlines()[-1]))


def plugins_in(loaded: set[str]) -> set[str]:
    """Return the modules of plugins; the runtime is part of the core."""
    plugins = {name for name in loaded if name.startswith(("ocr_trainer_", "ocr_trainer.builtin"))}
    return {name for name in plugins if name.partition(".")[0] != "ocr_trainer_runtime"}


def command(*words: str) -> set[str]:
    """Return the modules that a command leaves loaded, having checked that it succeeds."""
    code = f"import sys; sys.argv = ['ocr-train', *{list(words)!r}]\nfrom ocr_trainer.cli.main import main\nassert main() == 0"
    return modules_after(code)


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("ocr_trainer", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer.errors", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer.api.runs", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer.api.load", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer.api.evaluate", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer.api.checks", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer.api.catalog", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer.api.scoring", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer.plugin", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer.config.schema", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer.cli.main", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer.cli.evaluate", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer.cli.check_data", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer.text.normalize", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer.text.charsets", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer.cli.plugins", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer.runs.timing", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer.testing", HEAVY),
        ("ocr_trainer.cli.encoding", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer.runs.run_dir", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer.plugin.metadata", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer.plugin.allowlist", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer.runs.resume", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer.runs.signals", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer.config.content", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer.config.security", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer.plugin.discovery", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer.config.validate", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer.config.compose", HEAVY),
        ("ocr_trainer.config.messages", HEAVY),
        ("ocr_trainer.config.hydra_guard", HEAVY),
        ("ocr_trainer.config.hydra_source", HEAVY),
        ("ocr_trainer.config.convert", HEAVY),
        ("ocr_trainer.builtin.augment.plugin", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer.builtin.optim.plugin", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer.builtin.plugin", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer_albumentations.plugin", HEAVY | HYDRA | {"stevedore", "albumentations"}),
        ("ocr_trainer_crnn.plugin", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer_dbnet.plugin", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer_icdar.plugin", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer_json.plugin", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer_lmdb.plugin", HEAVY | HYDRA | {"stevedore", "lmdb"}),
        ("ocr_trainer_parseq.plugin", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer_ppocrv6.plugin", HEAVY | HYDRA | {"stevedore", "onnx"}),
        ("ocr_trainer_scenetext.plugin", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer_serve.plugin", HEAVY | HYDRA | {"stevedore", "fastapi", "onnxruntime"}),
        ("ocr_trainer_svtrv2.plugin", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer_synthetic.plugin", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer_ufo.plugin", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer_words.plugin", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer_xml.plugin", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer.plugin.options", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer.formats.listed", {"torch", "lightning", "cv2"}),
        ("ocr_trainer.cli.score", {"torch", "lightning", "cv2"}),
        ("ocr_trainer.metrics.text", {"torch", "lightning", "cv2", "PIL", "shapely"}),
        ("ocr_trainer.results", {"torch", "lightning", "cv2", "PIL", "shapely"}),
        ("ocr_trainer_wandb.plugin", HEAVY | HYDRA | {"stevedore"}),
        ("ocr_trainer_tensorboard.plugin", HEAVY | HYDRA | {"stevedore"}),
    ],
)
def test_light_modules_stay_light(module: str, forbidden: set[str]):
    assert modules_after(f"import {module}") & forbidden == set()


def test_the_heavy_half_never_sees_hydra():
    code = "import ocr_trainer.engine.train, ocr_trainer.evaluation.test, ocr_trainer_dbnet.model"
    assert modules_after(code) & HYDRA == set()


@pytest.mark.parametrize("words", [["list-plugins"], ["list-plugins", "model", "--json"], ["--help"]])
def test_listing_and_help_import_no_hydra_no_torch_no_plugin(words: list[str]):
    loaded = command(*words)
    assert loaded & (HEAVY | HYDRA | {"stevedore"}) == set()
    assert plugins_in(loaded) == set()


def test_check_imports_the_chosen_descriptions_and_nothing_heavy():
    loaded = command("check", "model=dbnet", "logger=wandb")
    assert loaded & HEAVY == set()
    assert plugins_in(loaded) == {
        "ocr_trainer_dbnet",
        "ocr_trainer_dbnet.plugin",
        "ocr_trainer_synthetic",
        "ocr_trainer_synthetic.plugin",
        "ocr_trainer_wandb",
        "ocr_trainer_wandb.plugin",
        "ocr_trainer.builtin",
        "ocr_trainer.builtin.optim",
        "ocr_trainer.builtin.optim.plugin",
    }


def test_describe_imports_one_description():
    loaded = command("describe", "model", "dbnet")
    assert loaded & HEAVY == set()
    assert plugins_in(loaded) == {
        "ocr_trainer_dbnet",
        "ocr_trainer_dbnet.plugin",
    }


@pytest.mark.parametrize(
    "override", ["model=dbnt", "model.dept=3", "optimizer.lr=abc", "optimizer.lr=-1", "a b"]
)
def test_a_wrong_config_is_refused_before_torch(override: str):
    code = (
        f"import sys; sys.argv = ['ocr-train', 'model=dbnet', {override!r}]\n"
        "from ocr_trainer.cli.main import main\nassert main() == 2"
    )
    assert modules_after(code) & HEAVY == set()
