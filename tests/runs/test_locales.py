"""What a run does does not depend on the locale, nor on a folder for temporary files."""

from __future__ import annotations

import ast
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
RUN = """
import subprocess, sys, warnings
from pathlib import Path
warnings.filterwarnings('error', category=EncodingWarning, module='ocr_trainer')
from ocr_trainer.cli.main import main
status = main()
hold = 'import sys; from pathlib import Path; from ocr_trainer.runs.run_dir import hold; hold(Path(sys.argv[1]))'
(report,) = Path().glob('*/*/*/report.json')
from ocr_trainer.runs.run_dir import hold as hold_here
hold_here(report.parent)
second = subprocess.run([sys.executable, '-c', hold, str(report.parent)], capture_output=True, timeout=60)
assert b'is still running' in second.stderr, second.stderr
sys.exit(status)
"""
TINY = [
    *(
        "model=crnn",
        "model.size=tiny",
        "dataset=words",
        "logger=[csv]",
        "data.batch_size=4",
        "data.num_workers=1",
    ),
    *(
        "trainer.max_epochs=2",
        "trainer.accelerator=cpu",
        "dataset.root='данные 文字'",
        "dataset.val_share=0.3",
    ),
    *("charset.file='данные 文字/字.txt'", "output_dir='вывод'", "exp_name='опыт'"),
]
TEXTS = ["да", "нет文", "文字", "é1", "ёж", "字да", "1文", "жé"] * 2
FILES = {"open", "read_text", "write_text", "NamedTemporaryFile", "TemporaryFile", "fdopen", "TextIOWrapper"}
"""What opens a file as text unless it is told otherwise."""
OTHERS = {
    "os",
    "lmdb",
    "Pillow",
    "Image",
    "archive",
    "distribution",
    "tarfile",
    "webbrowser",
    "Run",
    "pikepdf",
}
OTHERS |= {"exporter", "self"}  # exporters open what they have written
"""What has an `open` or `read_text` that takes no encoding."""


def write_words(root: Path) -> None:
    from ocr_trainer.data.images import write_image
    from ocr_trainer.testing.recognizers import picture

    root.mkdir()
    for index, text in enumerate(TEXTS):
        write_image(root / f"слово {index}.png", picture(str(index) * len(text)))
    rows = [f"слово {index}.png\t{text}\n" for index, text in enumerate(TEXTS)]
    (root / "train.txt").write_text("".join(rows), encoding="utf-8")
    (root / "字.txt").write_text("\n".join(sorted(set("".join(TEXTS)))), encoding="utf-8")


def start(folder: Path, umask: int, **environment: str) -> subprocess.Popen[str]:
    write_words(folder / "данные 文字")
    cleared = {"HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "PYTHONUTF8", "PYTHONIOENCODING"}
    kept = {key: value for key, value in os.environ.items() if key not in cleared}
    return subprocess.Popen(
        [sys.executable, "-X", "warn_default_encoding", "-c", RUN, *TINY],
        cwd=folder,
        env={**kept, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        umask=umask,
    )


def outcome(folder: Path) -> dict[str, Any]:
    """Return what a run left that has no time in it."""
    (run,) = (folder / "вывод" / "опыт").iterdir()
    report = json.loads((run / "report.json").read_text(encoding="utf-8"))
    pictures = {path.name: path.read_bytes() for path in (run / "pictures").iterdir()}
    assert pictures
    assert {row["character"] for row in report["details"]["by_character"]} <= set("".join(TEXTS))
    kept = {key: report[key] for key in ("scores", "details", "data", "skipped", "steps", "notes")}
    return {**kept, "pictures": pictures, "config": (run / "config.yaml").read_text(encoding="utf-8")}


def modes(folder: Path) -> int:
    """Return all bits of permission that something below a folder has."""
    bits = 0
    for path in folder.rglob("*"):
        bits |= stat.S_IMODE(path.lstat().st_mode)
    return bits


def test_case_48_a_run_in_a_hostile_place_does_what_it_does_in_a_friendly_one(tmp_path: Path):
    friendly, hostile = tmp_path / "friendly", tmp_path / "hostile"
    friendly.mkdir()
    hostile.mkdir()
    missing = str(tmp_path / "missing")
    plain = start(friendly, 0o022, LC_ALL="C.UTF-8", HOME=str(tmp_path))
    odd = start(hostile, 0o077, LC_ALL="C", PYTHONUTF8="0", TMPDIR=missing, PYTHONIOENCODING="ascii")
    for process in (plain, odd):
        said, objected = process.communicate(timeout=200)
        assert process.returncode == 0, said + objected
    assert outcome(hostile) == outcome(friendly)
    # Nobody else may write what a run leaves; and what its user keeps private is private.
    assert modes(friendly / "вывод") & stat.S_IWOTH == 0
    assert modes(hostile / "вывод") & 0o077 == 0


def test_case_48_what_a_terminal_cannot_show_is_printed_all_the_same(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "ocr_trainer", "check", "exp_name='опыт'"],
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        encoding="latin-1",
        timeout=60,
        check=True,
    )
    assert r"exp_name: \u043e\u043f\u044b\u0442" in done.stdout


def sources() -> list[Path]:
    ours = [*(ROOT / "ocr_trainer").rglob("*.py"), *(ROOT / "plugins").glob("*/ocr_trainer_*/**/*.py")]
    assert len(ours) > 100
    return ours


def opens_by_the_locale(call: ast.Call) -> bool:
    """Tell whether a call opens a file as text without saying in which encoding."""
    method = isinstance(call.func, ast.Attribute)
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    of = ast.unparse(call.func.value) if isinstance(call.func, ast.Attribute) else ""
    given = [*call.args[0 if method else 1 :], *(keyword.value for keyword in call.keywords)]
    modes = [value.value for value in given if isinstance(value, ast.Constant)]
    binary = "text" not in name and any(
        mode in ("rb", "wb", "ab", "r+b", "w+b", "a+b", "xb") for mode in modes
    )
    told = any(keyword.arg in ("encoding", None) for keyword in call.keywords)
    return name in FILES and of not in OTHERS and not binary and not told


def test_case_48_every_file_is_opened_with_its_encoding():
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}"
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and opens_by_the_locale(node)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("code", "guilty"),
    [
        *(("open(p)", True), ("p.open('w')", True), ("p.read_text()", True), ("p.write_text('b')", True)),
        *(("open(p, 'rb')", False), ("p.open('w', encoding='utf-8')", False), ("os.open(p, 0)", False)),
    ],
)
def test_case_48_an_open_without_its_encoding_is_seen(code: str, guilty: bool):
    (call,) = (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call))
    assert opens_by_the_locale(call) is guilty
