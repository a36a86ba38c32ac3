"""Wheels installed elsewhere do what the checkout does."""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

import pytest
from helpers.environments import OFFLINE, Environment

ROOT = Path(__file__).resolve().parents[1]
HELPERS = Path(__file__).parent
NOTEBOOK = """
import sys
import nbformat
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=240, kernel_name="python3").execute()
nbformat.write(notebook, "ran.ipynb")
"""
TEMPLATES = "ocr_trainer/cli/templates/"
"""Where the files of `ocr-train new-plugin` are, tests among them."""
MISSING = [module for module in ("pip", "setuptools") if find_spec(module) is None]

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"{' and '.join(MISSING)} not installed")


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with all our wheels, built from a copy, and nothing of the checkout."""
    place = tmp_path_factory.mktemp("wheels")
    folder = place / "source"  # not where commands run: Python would import it from there
    folder.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    for name in ("ocr_trainer", "configs", "plugins"):
        shutil.copytree(
            ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
        )
    environment = Environment.make(place, editable=False)
    projects = [str(folder), *map(str, sorted((folder / "plugins").iterdir()))]
    environment.pip("wheel", *OFFLINE, "--wheel-dir", "dist", *projects)
    environment.pip("install", *OFFLINE, *map(str, (place / "dist").iterdir()))
    return environment


def test_wheels_hold_the_code_and_nothing_else(elsewhere: Environment):
    wheels = sorted((elsewhere.folder / "dist").iterdir())
    assert len(wheels) == 1 + len(list((ROOT / "plugins").iterdir()))
    for wheel in wheels:
        names = [name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name]
        package = wheel.name.partition("-")[0]
        assert all(name.startswith(f"{package}/") for name in names)
        names = [name for name in names if not name.startswith(TEMPLATES)]
        assert all(
            name.endswith((".py", ".yaml", ".schema.json", "py.typed", ".html", ".css", ".js"))
            for name in names
        )
        assert not any("test_" in name for name in names)
    core = set(ZipFile(next(w for w in wheels if w.name.startswith("ocr_trainer-"))).namelist())
    for folder, suffix, place in (
        ("configs", "yaml", "ocr_trainer/configs/"),
        ("ocr_trainer", "py", "ocr_trainer/"),
        ("ocr_trainer/cli/templates", "txt", TEMPLATES),
    ):
        files = {
            place + str(path.relative_to(ROOT / folder)) for path in (ROOT / folder).rglob(f"*.{suffix}")
        }
        assert files <= core


@pytest.mark.slow
def test_the_python_lines_of_pages_and_docstrings_run(elsewhere: Environment, tmp_path: Path):
    modules = [ROOT / "ocr_trainer" / "__init__.py", *sorted((ROOT / "ocr_trainer" / "api").glob("*.py"))]
    pages = [ROOT / "README.md", ROOT / "docs" / "python-api.md"]
    files = [file for file in (*pages, *modules) if "```python" in file.read_text(encoding="utf-8")]
    assert len(files) > 6
    code = f"import sys; sys.path.insert(0, {str(HELPERS)!r}); from helpers.python_lines import main; main()"
    done = elsewhere.python("-c", code, *map(str, files), cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-4000:]
    where = elsewhere.python("-c", "import ocr_trainer; print(ocr_trainer.__file__)").stdout
    assert where.startswith(str(elsewhere.folder / "venv"))


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("nbclient"), reason="nbclient is not installed")
def test_the_notebook_runs(elsewhere: Environment, tmp_path: Path):
    notebook = ROOT / "docs" / "notebooks" / "python-api.ipynb"
    done = elsewhere.python("-c", NOTEBOOK, str(notebook), cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-4000:]
    ran = json.loads((tmp_path / "ran.ipynb").read_text(encoding="utf-8"))
    shown = [output.get("data", {}) for cell in ran["cells"] for output in cell.get("outputs", ())]
    assert any("image/png" in data for data in shown), "a page shows its picture"
    assert sum("text/html" in data for data in shown) == 2, "a run and scores show their tables"
    assert "Did you mean 'dbnet'?" in json.dumps(ran)


def test_it_lists_checks_and_trains_from_another_folder(elsewhere: Environment):
    where = elsewhere.python(
        "-c", "import ocr_trainer, ocr_trainer_dbnet; print(ocr_trainer.__file__, ocr_trainer_dbnet.__file__)"
    )
    assert all(path.startswith(str(elsewhere.folder / "venv")) for path in where.stdout.split()), where
    assert {row["name"] for row in elsewhere.listed()} >= {
        "dbnet",
        "sroie",
        "icdar2015",
        "ufo",
        "synthetic",
        "csv",
        "wandb",
        "tensorboard",
    }
    for words in (("check", "experiment=digits"), ("new-plugin", "mine", "--kind", "configs")):
        done = elsewhere.ocr_train(*words)
        assert done.returncode == 0, done.stderr
    script = elsewhere.folder / "venv" / "bin" / "ocr-train"
    words = [
        *(
            "model=dbnet",
            "model.neck_channels=8",
            "model.backbone.width=8",
            "dataset.train_pages=2",
            "dataset.height=128",
            "dataset.width=128",
        ),
        *(
            "dataset.val_pages=1",
            "dataset.test_pages=1",
            "augment.crop=64",
            "data.batch_size=1",
            "data.num_workers=0",
        ),
        *(
            "trainer.accelerator=cpu",
            "trainer.max_epochs=1",
            "model.size=128",
            "optimizer=sgd",
        ),
    ]
    done = subprocess.run(
        [str(script), *words], cwd=elsewhere.folder, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    (report,) = (elsewhere.folder / "runs").glob("*/*/report.json")
    assert json.loads(report.read_text(encoding="utf-8"))["steps"] == 2
