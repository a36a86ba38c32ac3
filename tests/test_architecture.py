"""The plan of the folders: import-linter's contracts of pyproject.toml, and what a package's docstring says."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = sorted(path.parent for path in (ROOT / "ocr_trainer").rglob("__init__.py"))
WEIGHTS = ("Light", "NumPy, no torch.", "Heavy (")
"""How the docstring of a package begins: what importing its modules costs."""


def lint(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run import-linter on the package below a folder."""
    code = "from importlinter.cli import lint_imports_command as main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, "--no-cache", "--config", str(root / "pyproject.toml"), *words],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_the_contracts_are_kept():
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("plugin/api.py", "import torch", "light"),
        ("config/schema.py", "import ocr_trainer.engine.train", "layers"),
        ("errors.py", "import ocr_trainer.plugin.api", "layers"),
        ("metrics/text.py", "import torch", "no-torch"),
        ("runs/timing.py", "import hydra", "hydra"),
        ("text/normalize.py", "import ocr_trainer.text.charsets", "circles"),
    ],
)
def test_a_contract_fails_where_it_is_broken(module: str, line: str, contract: str, tmp_path: Path):
    package = tmp_path / "ocr_trainer"
    for path in (ROOT / "ocr_trainer").rglob("*.py"):
        copy = package / path.relative_to(ROOT / "ocr_trainer")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    with (package / module).open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    done = lint(tmp_path, "--contract", contract)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 broken" in done.stdout


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_packages_docstring_says_what_it_costs(package: Path):
    docstring = ast.get_docstring(ast.parse((package / "__init__.py").read_text(encoding="utf-8")))
    assert docstring is not None
    if package.name != "ocr_trainer":
        assert docstring.startswith(WEIGHTS)
