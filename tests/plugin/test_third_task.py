"""A third task, from the page that teaches how to write one: no line of the core knows it."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers.cutting import Cut, cut_off, differ, ocr_train
from helpers.documented import DOCS, changed, importable, unpack
from helpers.fakes import python_path
from helpers.launching import run_folder

ROOT = Path(__file__).parents[2]
PAGE = DOCS / "writing-a-task.md"
DATA = [
    *("dataset=turned", "dataset.of.name=synthetic", "dataset.of.text.charsets=[digits]"),
    *("dataset.of.text.train_texts=8", "dataset.of.text.val_texts=4", "dataset.of.text.test_texts=2"),
]
WORDS = ["model=compass", *DATA, "data.batch_size=4", "data.num_workers=0", "trainer.accelerator=cpu"]
RUN = [*WORDS, "logger=[csv]", "trainer.max_epochs=2", "trainer.log_every_n_steps=1"]
"""Two epochs of two steps."""
Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def compass(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The distribution of the page, as if it were installed."""
    return unpack(PAGE.name, tmp_path_factory.mktemp("compass"))


@pytest.fixture
def _here(compass: Path) -> Iterator[None]:
    with importable(compass):
        yield


CORE = [
    path
    for path in sorted((ROOT / "ocr_trainer").rglob("*.py"))
    if path.relative_to(ROOT / "ocr_trainer").parts[0] not in ("tasks", "builtin", "testing")
]
NAMES = re.compile(r"Task\.(detection|recognition)|[\"'](detection|recognition)[\"']")
KNOWING = {
    "plugin/api.py",  # the names that plugins of version 1 of the contract use
    "formats/listed.py",  # what plugins for both tasks are made of
    "results/formats.py",  # a writer gets a context, too
}


def test_no_line_of_the_core_names_a_task():
    found = {
        path.relative_to(ROOT / "ocr_trainer").as_posix()
        for path in CORE
        if NAMES.search(path.read_text(encoding="utf-8"))
    }
    assert found <= KNOWING


def test_the_tree_on_the_page_is_the_files_on_the_page(compass: Path):
    blocks = re.findall(r"^```text\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    shown = {line.split()[0] for line in blocks[0].splitlines()}
    files = [path for path in compass.rglob("*") if not re.search(r"dist-info|__pycache__", str(path))]
    assert shown == {f"{p.name}/" if p.is_dir() else p.name for p in [compass, *files]}


def test_it_is_listed_and_described(cli: Cli, compass: Path):
    rows = json.loads(cli("list-plugins", "task", "--json", **python_path(compass)).stdout)
    assert [row["name"] for row in rows] == ["detection", "orientation", "recognition"]
    assert rows[1]["summary"] == "tell by how many quarters an image of text is turned"
    (console,) = re.findall(
        r"^```console\n\$ ocr-train (.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
    command, _, shown = console.partition("\n")
    assert cli(*shlex.split(command), **python_path(compass)).stdout == shown


def loaded_by(folder: Path, *words: str) -> set[str]:
    """Return the modules that `check` leaves loaded."""
    code = (
        f"import sys; sys.path.insert(0, {str(folder)!r}); sys.argv = ['ocr-train', 'check', *{list(words)!r}]\n"
        "from ocr_trainer.cli.main import main\nassert main() == 0\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    return set(done.stderr.split())


@pytest.mark.parametrize(
    ("words", "own"),
    [
        (WORDS, "ocr_trainer_compass.config"),
        (["model=dbnet"], "ocr_trainer.tasks.detection.config"),
        (["model=crnn"], "ocr_trainer.tasks.recognition.config"),
    ],
)
def test_a_run_loads_the_configuration_of_its_task_only(compass: Path, words: list[str], own: str):
    loaded = loaded_by(compass, *words)
    configs = {name for name in loaded if re.fullmatch(r"ocr_trainer(\.tasks\.\w+|_compass)\.config", name)}
    assert configs == {own}
    assert not loaded & {"torch", "lightning", "numpy", "cv2"}


@pytest.mark.usefixtures("_here")
def test_it_trains_validates_tests_and_resumes_bit_for_bit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert ocr_train(tmp_path / "whole", RUN) == 0
    whole = run_folder(tmp_path / "whole")
    report = json.loads((whole / "report.json").read_text(encoding="utf-8"))
    assert report["steps"] == 4
    assert set(report["scores"]) == {"val/accuracy", "test/accuracy"}
    assert report["monitor"] == "val/accuracy"
    assert sum(map(sum, report["details"]["confusion"])) == 2
    assert [plugin["name"] for plugin in report["plugins"]][:3] == ["compass", "turned", "synthetic"]
    header = (whole / "csv" / "metrics.csv").read_text(encoding="utf-8").splitlines()[0].split(",")
    assert {"train/loss", "train/entropy", "train/accuracy", "val/accuracy"} <= set(header)

    folder = cut_off(tmp_path / "cut", RUN, Cut("on_train_batch_end", 3))
    assert ocr_train(tmp_path / "cut", ["resume", str(folder)]) == 0
    assert differ(whole, folder) == []

    assert (
        ocr_train(tmp_path / "tested", ["test", str(whole / "checkpoints" / "best.ckpt"), "logger=[]"]) == 0
    )
    tested = json.loads((run_folder(tmp_path / "tested") / "report.json").read_text(encoding="utf-8"))
    assert tested["scores"]["test/accuracy"] == report["scores"]["test/accuracy"]

    best = str(whole / "checkpoints" / "best.ckpt")
    assert ocr_train(tmp_path / "predicted", ["predict", best, "a.png"]) == 2
    assert (
        f"{best} does orientation, and neither finds nor reads text: model=compass" in capsys.readouterr().err
    )


@pytest.mark.usefixtures("_here")
def test_its_data_is_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert ocr_train(tmp_path, ["check-data", *DATA, "--json"]) == 0
    splits = json.loads(capsys.readouterr().out)["splits"]
    assert {name: split["images"] for name, split in splits.items()} == {"train": 8, "val": 4, "test": 2}


@pytest.mark.usefixtures("_here")
def test_it_overfits_a_batch(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = [*WORDS, "noise.sigma=0", "optimizer.lr=0.01"]
    assert ocr_train(tmp_path, ["overfit", *words, "--steps", "100"]) == 0
    assert "learned: loss" in capsys.readouterr().out


def refused(cli: Cli, folder: Path, *words: str) -> str:
    done = cli("check", *words, **python_path(folder))
    assert (done.returncode, done.stdout) == (2, "")
    return done.stderr


def test_what_does_not_fit_the_task_is_refused(cli: Cli, compass: Path):
    assert refused(cli, compass, "model=compass", "dataset=sroie", "dataset.root=.") == (
        "ocr-train: this run cannot start:\n"
        "  - model=compass does orientation, but dataset=sroie offers detection\n"
        "      datasets that offer orientation: turned\n"
    )
    assert refused(cli, compass, *WORDS, "augment=strong") == (
        "ocr-train: augment=strong is for detection and recognition, but the model does orientation\n"
        "  available: none\n"
    )
    message = refused(cli, compass, *WORDS, "checkpoint.monitor=acuracy")
    assert "there is no such score. Did you mean 'accuracy'?" in message
    message = refused(cli, compass, "model=dbnet", "noise.sigma=1")
    assert "'noise' (from 'noise.sigma=1') is an option of orientation runs" in message


@pytest.mark.parametrize(
    ("module", "before", "after", "message"),
    [
        (
            "plugin",
            'Task("orientation"),\n    factory',
            'Task("orientatoin"),\n    factory',
            "model=compass: no task plugin named 'orientatoin' is installed. Did you mean 'orientation'?",
        ),
        (
            "plugin",
            'Task("orientation"),\n    factory',
            '"orientation",\n    factory',
            "the model plugin 'compass' cannot be used: it refers to a task by something other than a Task",
        ),
        (
            "plugin",
            "config:OrientationConfig",
            "config:NoConfig",
            "the task plugin 'orientation' cannot be used: its configuration ocr_trainer_compass.config:NoConfig",
        ),
        (
            "config",
            "import annotations\n",
            "import annotations\n1 / 0\n",
            "cannot be imported: ZeroDivisionError",
        ),
        (
            "config",
            "OrientationConfig(RunConfig)",
            "OrientationConfig(Options)",
            "is not a dataclass derived from",
        ),
        ("config", '    MONITOR = "accuracy"\n', "", "does not set MONITOR"),
        ("config", "sigma: float", "sigma: set", "the options of its runs are malformed"),
    ],
)
def test_a_broken_task_costs_only_its_runs(
    cli: Cli, compass: Path, tmp_path: Path, module: str, before: str, after: str, message: str
):
    folder = changed(compass, tmp_path, module, before, after)
    assert message in refused(cli, folder, *WORDS)
    sound = cli("check", "model=dbnet", **python_path(folder))
    assert (sound.returncode, sound.stderr) == (0, "")
    unknown = cli("check", "model=dbnet", "chraset.unknown=skip", **python_path(folder))
    assert "there is no option 'chraset'" in unknown.stderr


@pytest.mark.parametrize(
    ("module", "before", "after", "message"),
    [
        (
            "task",
            "def score_batch",
            "def score_batches",
            "its factory ocr_trainer_compass.task:OrientationTask lacks score_batch, required by version 1",
        ),
        ("task", "    model_type = OrientationModel\n", "", "OrientationTask lacks model_type"),
        ("task", "LearningTask[OrientationConfig]", "object", "is not a class derived from"),
        (
            "task",
            '{"accuracy": accuracy}',
            '{"loss": accuracy}',
            "the figure 'loss' of its loss has the name of what",
        ),
        (
            "task",
            '{"accuracy": accuracy}',
            '{"accuracy": logits}',
            "the figure 'accuracy' of its loss must be one",
        ),
    ],
)
def test_a_broken_learning_task_is_refused_in_one_message(
    compass: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    module: str,
    before: str,
    after: str,
    message: str,
):
    with importable(changed(compass, tmp_path / "site", module, before, after)):
        assert ocr_train(tmp_path / "here", RUN) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_its_own_tests_pass(compass: Path):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(compass / "tests")],
        cwd=compass,
        env={**os.environ, **python_path(compass), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
