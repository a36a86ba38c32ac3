"""What the code of the core and of the plugins never does: looked at as a tree, not as text."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [
    file
    for file in (*ROOT.glob("ocr_trainer/**/*.py"), *ROOT.glob("plugins/*/ocr_trainer_*/**/*.py"))
    # What plugins' tests inherit pickles objects of its own making.
    if "testing" not in file.relative_to(ROOT).parts
]
FORBIDDEN = {
    *(
        "eval",
        "exec",
        "os.system",
        "os.popen",
        "marshal.load",
        "marshal.loads",
        "shelve.open",
        "runpy.run_path",
    ),
    *("pickle.load", "pickle.loads", "pickle.Unpickler", "joblib.load", "dill.load", "dill.loads"),
    *("yaml.unsafe_load", "yaml.full_load", "yaml.load_all", "torch.hub.load", "hydra.utils.instantiate"),
    *("subprocess.getoutput", "subprocess.getstatusoutput", "tempfile.mktemp"),
}


def name_of(node: ast.expr) -> str:
    """Return the dotted name of what is called."""
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def says(call: ast.Call, option: str, value: object) -> bool:
    return any(
        k.arg == option and isinstance(k.value, ast.Constant) and k.value.value is value
        for k in call.keywords
    )


def violations(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the line and the name of each call that runs what it is given, or may."""
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name, words = name_of(call.func), ast.unparse(call)
        unsafe = (
            name in FORBIDDEN
            or (name == "yaml.load" and "SafeLoader" not in words)
            or (name in ("np.load", "numpy.load") and not says(call, "allow_pickle", False))
            or (name == "torch.load" and not says(call, "weights_only", True))
            or any(k.arg == "shell" and not says(call, "shell", False) for k in call.keywords)
        )
        if unsafe:
            yield call.lineno, name


def imported_names(tree: ast.AST) -> set[str]:
    """Return what is imported by its own name, which a call would not show."""
    modules = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    return {f"{node.module}.{alias.name}" for node in modules for alias in node.names}


def test_case_68_nothing_runs_what_it_is_given():
    assert len(SOURCES) > 100
    found = []
    for file in SOURCES:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        place = file.relative_to(ROOT)
        found += [f"{place}:{line}: {name}" for line, name in violations(tree)]
        hidden = imported_names(tree) & {*FORBIDDEN, "yaml.load", "numpy.load", "torch.load"}
        found += [f"{place}: imports {name}" for name in hidden]
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        *("eval(x)", "exec(x)", "os.system(x)", "pickle.load(f)", "pickle.loads(b)", "yaml.load(t)"),
        *(
            "yaml.load(t, yaml.Loader)",
            "np.load(f)",
            "np.load(f, allow_pickle=True)",
            "np.load(f, allow_pickle=x)",
        ),
        *("subprocess.run(x, shell=True)", "subprocess.run(x, shell=y)", "torch.load(f)"),
        *("torch.load(f, weights_only=False)", "yaml.unsafe_load(t)"),
    ],
)
def test_case_68_the_gate_sees_what_it_must(code: str):
    assert len(list(violations(ast.parse(code)))) == 1


def test_case_68_the_gate_lets_pass_what_is_safe():
    for code in (
        "yaml.load(t, yaml.CSafeLoader)",
        "yaml.safe_load(t)",
        "np.load(f, allow_pickle=False)",
        "m.eval()",
    ):
        assert list(violations(ast.parse(code))) == []


def test_case_68_ruff_looks_for_it_too():
    words = ["check", "--no-cache", "--output-format=concise", "--select=S", "--ignore=S101"]
    words += ["ocr_trainer", "plugins"]
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    seen = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--no-cache", "--stdin-filename", "ocr_trainer/x.py", "-"],
        cwd=ROOT,
        input="import pickle\n\npickle.loads(b'')\n",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "S301" in seen.stdout
