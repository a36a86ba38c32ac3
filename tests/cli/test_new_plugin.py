"""`ocr-train new-plugin` makes distributions whose tests pass at once."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from helpers.environments import OFFLINE, Environment

from ocr_trainer.cli.new_plugin import distribution, kinds, new_plugin, render
from ocr_trainer.errors import ConfigError
from ocr_trainer.plugin import Kind

DOCS = Path(__file__).parents[2] / "docs"
FILE = re.compile(r"^`ocr-trainer-(\w+)/([\w./-]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RENAMES = (
    ("orientation = TaskPlugin", "acme = TaskPlugin"),
    ("compass = ModelPlugin", "acme_model = ModelPlugin"),
    ("turned = DatasetPlugin", "acme_dataset = DatasetPlugin"),
    ('orientation = "ocr_trainer_compass.plugin:orientation"', 'acme = "ocr_trainer_acme.plugin:acme"'),
    ('compass = "ocr_trainer_compass.plugin:compass"', 'acme = "ocr_trainer_acme.plugin:acme_model"'),
    ('turned = "ocr_trainer_compass.plugin:turned"', 'acme = "ocr_trainer_acme.plugin:acme_dataset"'),
    ("ocr_trainer_compass.turned", "ocr_trainer_acme.dataset"),
    ("ocr_trainer_compass", "ocr_trainer_acme"),
    ("ocr-trainer-compass", "ocr-trainer-acme"),
    ('Task("orientation")', 'Task("acme")'),
    ("TestOrientation", "TestAcmeTask"),
    ("TestCompass", "TestAcmeModel"),
    ("TestTurned", "TestAcmeDataset"),
    ("Orientation", "Acme"),
    ("CompassConfig", "AcmeModelConfig"),
    ("Compass", "FirstModel"),
    ('"model=compass"', '"model=acme"'),
    ('"dataset=turned"', '"dataset=acme"'),
    ('name = "orientation"', 'name = "acme"'),
    ('name = "compass"', 'name = "acme"'),
    ('name = "turned"', 'name = "acme"'),
    (
        "from ocr_trainer.testing import PluginSuite, TaskSuite\nfrom ocr_trainer.plugin import Kind\n",
        "from ocr_trainer.plugin import Kind\nfrom ocr_trainer.testing import PluginSuite, TaskSuite\n",
    ),
    ("The task orientation for ocr-trainer", "The task acme for ocr-trainer"),
)
"""What makes the files of the template of a task of those in `docs/writing-a-task.md`."""
MISSING = [module for module in ("pip", "setuptools") if find_spec(module) is None]


@pytest.mark.parametrize(
    ("page", "kind"), [("writing-a-backbone.md", Kind.backbone), ("writing-configs.md", Kind.configs)]
)
def test_pages_show_the_files_that_it_makes(page: str, kind: Kind):
    shown = FILE.findall((DOCS / page).read_text(encoding="utf-8"))
    made = render(shown[0][0], kind)
    assert {path for _, path, _ in shown} == {path for path in made if not path.endswith((".md", "py.typed"))}
    assert {path: text for _, path, text in shown} == {path: made[path] for _, path, _ in shown}


def test_the_template_of_a_task_is_that_of_its_page():
    made = render("acme", Kind.task)
    for _, path, text in FILE.findall((DOCS / "writing-a-task.md").read_text(encoding="utf-8")):
        for old, new in RENAMES:
            text = text.replace(old, new)
        path = (
            path.replace("compass", "acme")
            .replace("turned.py", "dataset.py")
            .replace("test_acme", "test_contract")
        )
        assert made[path] == text


def test_there_are_templates_for_every_kind():
    assert kinds() == [kind.value for kind in Kind]


@pytest.mark.skipif(bool(MISSING), reason=f"{' and '.join(MISSING)} not installed")
@pytest.mark.slow
def test_its_tests_pass_at_once(tmp_path: Path):
    environment = Environment.make(tmp_path)
    for kind in kinds():
        done = environment.ocr_train("new-plugin", f"my_{kind}", "--kind", kind)
        assert done.stdout.startswith(f"made {distribution(f'my_{kind}')}\n"), done.stderr
    folders = [distribution(f"my_{kind}") for kind in kinds()]
    environment.pip("install", *OFFLINE, *(word for folder in folders for word in ("--editable", folder)))
    rows = {(row["kind"], row["name"]): row for row in environment.listed()}
    for kind in kinds():
        row = rows[kind, f"my_{kind}"]
        assert (row["broken"], row["conflict"]) == (None, False)
    quiet = ("-q", "-p", "no:cacheprovider", "--import-mode=importlib")
    done = environment.python("-m", "pytest", *quiet, *folders)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.fullmatch(r"\d+ passed.* in .*", done.stdout.splitlines()[-1])


def test_what_it_makes_is_clean(tmp_path: Path):
    for kind in kinds():
        assert new_plugin([f"my_{kind}", "--kind", kind, "--in", str(tmp_path)]) == 0
    rules = "--select=E,F,I,B,UP,SIM,C4,PTH,RUF,ANN,N,TID"
    words = [
        "ruff",
        "check",
        "--isolated",
        "--no-cache",
        "--line-length=110",
        rules,
        "--ignore=ANN401,N812,RUF009",
    ]
    done = subprocess.run(
        [sys.executable, "-m", *words, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    words = ["ruff", "format", "--isolated", "--no-cache", "--line-length=110", "--check"]
    done = subprocess.run(
        [sys.executable, "-m", *words, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("kind", kinds())
def test_nothing_of_the_template_is_left(kind: str):
    files = render("blue_whale", Kind(kind))
    whole = "\n".join([*files, *files.values()])
    assert not re.search(r"[Aa]cme|\b(KIND|GROUP|TARGET)\b", whole)
    assert {"pyproject.toml", "README.md", "tests/test_contract.py"} <= set(files)
    assert "ocr_trainer_blue_whale/__init__.py" in files


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["acme-one", "--kind", "model"], "'acme-one' cannot be the name of a plugin"),
        (["Acme", "--kind", "model"], "'Acme' cannot be the name of a plugin"),
        (["../acme", "--kind", "model"], "'../acme' cannot be the name of a plugin"),
        (["class", "--kind", "model"], "'class' cannot be the name of a plugin"),
        (["acme", "--kind", "modell"], "there is no plugin kind 'modell'. Did you mean 'model'?"),
        (["dbnet", "--kind", "model"], "there is a model plugin 'dbnet' already: ocr-trainer-dbnet"),
    ],
)
def test_it_refuses(words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        new_plugin(words)
    assert message in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_it_overwrites_nothing(tmp_path: Path):
    words = ["acme", "--kind", "model", "--in", str(tmp_path / "plugins")]
    assert new_plugin(words) == 0
    file = tmp_path / "plugins" / "ocr-trainer-acme" / "README.md"
    file.write_text("mine")
    with pytest.raises(ConfigError, match="ocr-trainer-acme exists: choose another name"):
        new_plugin(words)
    assert file.read_text() == "mine"
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be made"):
        new_plugin(["acme", "--kind", "model", "--in", str(tmp_path / "file")])
