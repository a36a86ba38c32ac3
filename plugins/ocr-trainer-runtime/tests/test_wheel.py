"""The wheel is small, and reads in an environment that has only what it asks for."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
LIMIT = 200_000
NEEDED = ("numpy", "numpy.libs", "cv2", "opencv_python_headless.libs", "onnxruntime", "google", "flatbuffers")
"""The packages of what the distribution asks for, and of what that needs to be imported."""
READ = """
import sys
import ocr_trainer_runtime as ocr
assert ocr.__file__.startswith({place!r}), ocr.__file__
print(ocr.load({det!r}, {rec!r}).predict({image!r}).text)
for name in ("torch", "PIL", "ocr_trainer"):
    try:
        __import__(name)
    except ModuleNotFoundError:
        continue
    sys.exit(f"{{name}} is there")
"""

pytestmark = pytest.mark.skipif(
    not (find_spec("pip") and find_spec("setuptools")), reason="pip and setuptools not installed"
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the sources."""
    folder = tmp_path_factory.mktemp("wheel")
    (source := folder / "source").mkdir()
    for path in (*ROOT.glob("*.toml"), *ROOT.glob("*.md"), *ROOT.glob("ocr_trainer_runtime/**/*")):
        if path.is_file() and "__pycache__" not in path.parts:
            copy = source / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    words = [
        "wheel",
        "--quiet",
        "--no-index",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(folder),
    ]
    subprocess.run([sys.executable, "-m", "pip", *words, str(source)], check=True, timeout=240)
    return next(folder.glob("*.whl"))


def test_it_is_small_and_holds_all_packages(wheel: Path):
    assert wheel.stat().st_size < LIMIT
    names = set(ZipFile(wheel).namelist())
    sources = {str(path.relative_to(ROOT)) for path in ROOT.glob("ocr_trainer_runtime/**/*.py")}
    assert sources <= names
    assert {"ocr_trainer_runtime/py.typed", "ocr_trainer_runtime/results/page.schema.json"} <= names


def test_an_environment_of_its_own_reads(
    wheel: Path, pair: tuple[Path, Path], page: np.ndarray, tmp_path: Path
):
    venv.create(tmp_path / "venv", symlinks=True)
    base = {"base": str(tmp_path / "venv"), "platbase": str(tmp_path / "venv")}
    place = Path(sysconfig.get_path("purelib", "venv", vars=base))
    ZipFile(wheel).extractall(place)
    here = Path(sysconfig.get_path("purelib"))
    for name in NEEDED:
        if (here / name).exists():
            (place / name).symlink_to(here / name)
    (path := tmp_path / "page.png").write_bytes(cv2.imencode(".png", page)[1].tobytes())
    code = READ.format(place=str(place), det=str(pair[0]), rec=str(pair[1]), image=str(path))
    python = tmp_path / "venv" / "bin" / "python"
    done = subprocess.run(
        [python, "-c", code], capture_output=True, text=True, timeout=240, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stdout) == (0, "a\nb\n"), done.stderr
