"""Plugins that are doubled, broken, hostile or denied: each costs only the run that selects it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from helpers.fakes import HEAD, IMPORTED, MODEL, MODELS, TINY, imported, install, python_path, visible
from PIL import Image

from ocr_trainer.cli.main import main
from ocr_trainer.config.compose import compose
from ocr_trainer.config.schema import plain
from ocr_trainer.errors import PluginBroken, PluginConflict
from ocr_trainer.plugin import Kind, allowlist, discovery

Cli = Callable[..., "CompletedProcess[str]"]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    """A folder for fake distributions that this process sees."""
    with visible(tmp_path / "site") as folder:
        yield folder


def ocr_train(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """Call the command line in this process."""
    monkeypatch.setattr(sys, "argv", ["ocr-train", *words])
    return main()


@pytest.fixture
def twins(site: Path) -> Path:
    """Two distributions that offer one model; their modules tell that they were imported."""
    for distribution in ("acme-twin", "other-twin"):
        install(site, distribution, MODELS + "twin = {}:plugin\n", IMPORTED + HEAD + MODEL)
    return site


def test_case_57_neither_of_two_with_one_name_is_imported(twins: Path):
    with pytest.raises(PluginConflict) as caught:
        compose(["model=twin"])
    assert str(caught.value) == (
        "two distributions provide the model plugin 'twin':\n"
        "  acme-twin 1.0 (acme_twin:plugin)\n"
        "  other-twin 1.0 (other_twin:plugin)\n"
        "  choose one, as in model=acme-twin:twin, or uninstall the other"
    )
    assert imported(twins) == []


@pytest.mark.parametrize("word", ["acme-twin:twin", "acme_twin:twin", "ACME-Twin:twin"])
def test_case_57_the_distribution_chooses_and_the_choice_is_kept(twins: Path, word: str):
    run = compose([f"model={word}"])
    again = compose(["seed=5"], plain(run))
    assert (run.model.name, again.model.name, again.seed) == (word, word, 5)
    assert imported(twins) == ["acme_twin"]
    assert discovery.find(Kind.model, word).distribution == "acme-twin"


def test_case_57_denying_one_of_two_chooses_the_other(twins: Path):
    allowlist.restrict(deny=["acme-twin:*"])
    assert compose(["model=twin"]).model.name == "twin"
    assert imported(twins) == ["other_twin"]


def test_case_57_a_built_in_name_is_not_shadowed_in_silence(site: Path):
    install(site, "acme-rows", "[ocr_trainer.loggers]\ncsv = {}:plugin\n", IMPORTED)
    with pytest.raises(PluginConflict, match=r"\(acme_rows:plugin\)\n  ocr-trainer .*builtin.plugin:csv"):
        compose(["model=crnn", "logger=[csv]"])
    assert imported(site) == []
    assert compose(["model=crnn", "logger=[ocr-trainer:csv]"]).logger["csv"].name == "ocr-trainer:csv"
    assert imported(site) == []


def test_case_57_a_run_and_its_checkpoint_remember_whose_model_it_is(
    site: Path, monkeypatch: pytest.MonkeyPatch
):
    install(site, "acme-dbnet", MODELS + "dbnet = {}:plugin\n", IMPORTED + HEAD + MODEL)
    monkeypatch.chdir(site.parent)
    chosen = ["model=ocr-trainer-dbnet:dbnet", "logger=[ocr-trainer:csv]"]
    assert ocr_train(monkeypatch, *chosen, *TINY) == 0
    (folder,) = (site.parent / "runs" / "default").iterdir()
    assert "  name: ocr-trainer-dbnet:dbnet\n" in (folder / "config.yaml").read_text(encoding="utf-8")
    checkpoint = str(folder / "checkpoints" / "last.ckpt")
    assert ocr_train(monkeypatch, "test", checkpoint, "exp_name=tested", "logger=[csv]") == 0
    Image.new("RGB", (64, 64)).save("page.png")
    assert ocr_train(monkeypatch, "predict", checkpoint, "page.png") == 0
    (tested,) = (site.parent / "runs" / "tested").iterdir()
    for place in (folder, tested):
        used = json.loads((place / "report.json").read_text(encoding="utf-8"))["plugins"]
        assert [(plugin["name"], plugin["distribution"]) for plugin in used] == [
            *(("dbnet", "ocr-trainer-dbnet"), ("resnet18", "ocr-trainer-dbnet")),
            *(("synthetic", "ocr-trainer-synthetic"), ("csv", "ocr-trainer")),
            *(("adamw", "ocr-trainer"), ("cosine", "ocr-trainer")),
        ]
    assert imported(site) == []


SOURCES = {
    "raises": "import absent_dependency\n",
    "exits": "import sys\nsys.exit(3)\n",
    "dies": "import os\nos._exit(7)\n",
    "sleeps": IMPORTED + "import time\ntime.sleep(600)\n",
    "prints": "print('hello from a plugin')\n" + HEAD + MODEL,
    "sound": HEAD + MODEL,
}


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A folder of plugins that do what they should not when they are imported, some with broken metadata."""
    folder = tmp_path / "site"
    for name, source in SOURCES.items():
        install(folder, f"acme-{name}", MODELS + f"{name} = {{}}:plugin\n", IMPORTED + source)
    install(folder, "acme-latin", MODELS + "latin = {}:plugin\n", metadata="Name: café\n".encode("latin-1"))
    install(folder, "acme-bare", MODELS + "bare = {}:plugin\n", metadata=b"\0")
    install(
        folder, "acme-lines", MODELS + "no entry point\n= {}:plugin\n[\n" + MODELS + "lines = {}:plugin\n"
    )
    install(
        folder,
        "acme-escape",
        MODELS + "escape = {}:plugin\n",
        metadata=b"Name: x\nSummary: \x1b]0;title\x07\n",
    )
    install(folder, "acme-gone", MODELS + "gone = {}:plugin\nodd = a class!\n")
    (folder / "acme_gone.py").unlink()
    (folder / "acme_folder-1.0.dist-info" / "entry_points.txt").mkdir(parents=True)
    return folder


def test_case_58_listing_shows_all_and_imports_none(cli: Cli, broken: Path):
    done = cli("list-plugins", "--json", **python_path(broken))
    assert (done.returncode, done.stderr) == (0, "")
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert {*SOURCES, "latin", "bare", "lines", "escape", "gone", "odd", "synthetic", "csv"} <= set(rows)
    assert {name for name, row in rows.items() if row["broken"]} == {"gone", "odd"}
    assert rows["gone"]["broken"] == "there is no module 'acme_gone'"
    assert imported(broken) == []
    shown = cli("list-plugins", **python_path(broken))
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "BROKEN: there is no module 'acme_gone'" in shown.stdout
    assert "\x1b" not in shown.stdout


def test_case_58_only_what_is_selected_is_imported(cli: Cli, broken: Path):
    done = cli("check", "model=sound", **python_path(broken))
    assert (done.returncode, done.stderr, imported(broken)) == (0, "", ["acme_sound"])


def test_case_58_what_a_plugin_prints_stays_out_of_the_output(cli: Cli, broken: Path):
    done = cli("check", "model=prints", **python_path(broken))
    assert (done.returncode, done.stderr) == (0, "hello from a plugin\n")
    assert done.stdout.startswith("model:\n  name: prints\n")


def test_case_58_a_selected_plugin_can_end_the_process_and_can_be_denied(cli: Cli, broken: Path):
    # Nothing in a process survives os._exit: the status is the plugin's own.
    assert cli("check", "model=dies", **python_path(broken)).returncode == 7
    denied = cli("check", "model=dies", "plugins.deny=[dies]", **python_path(broken))
    assert denied.returncode == 2
    assert denied.stderr.startswith("ocr-train: the model plugin 'dies' is denied by plugins.deny=[dies]\n")


def test_case_58_waiting_for_a_selected_plugin_can_be_interrupted(cli: Cli, broken: Path, tmp_path: Path):
    command = [sys.executable, "-m", "ocr_trainer", "check", "model=sleeps"]
    environment = {**os.environ, **python_path(broken)}
    process = subprocess.Popen(command, env=environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 60
        while imported(broken) != ["acme_sleeps"] and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode not in (0, 2)
    finally:
        process.kill()
        process.wait(60)


@pytest.mark.parametrize(
    "words", [["list-plugins"], ["list-plugins", "--json"], ["--help"], ["-sc", "query=bash"]]
)
def test_case_59_fifty_plugins_are_named_and_none_is_imported(cli: Cli, tmp_path: Path, words: list[str]):
    site = tmp_path / "site"
    for number in range(50):
        install(site, f"acme-many-{number}", MODELS + f"many{number} = {{}}:plugin\n", IMPORTED)
    code = (
        f"import sys; sys.argv = ['ocr-train', *{words!r}]\nfrom ocr_trainer.cli.main import main\n"
        "assert main() == 0\nsys.stdout.flush(); print(sorted({'torch', 'lightning'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, **python_path(site), "COMP_LINE": "ocr-train model=many"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "[]\n")
    assert imported(site) == []
    if words != ["--help"]:
        assert [number for number in range(50) if f"many{number}" not in done.stdout] == []


def test_stevedore_alone_fails_on_a_malformed_line_of_any_distribution(tmp_path: Path):
    """Why the scan of metadata is ours (decision 0001): stevedore then finds no plugin at all."""
    place = tmp_path / "site"
    install(place, "malformed", "[ocr_trainer.models]\nthis line is no entry point\n")
    code = (
        "from stevedore import DriverManager\n"
        "from ocr_trainer.plugin import Kind, discovery\n"
        "assert discovery.load(Kind.model, 'dbnet')\n"
        "DriverManager('ocr_trainer.models', 'dbnet')\n"
    )
    # stevedore keeps what it found in a cache on the disk.
    environment = {**os.environ, **python_path(place), "XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "missing 1 required positional argument: 'value'" in done.stderr


def test_methods_of_the_old_contract_are_refused_with_their_new_names(tmp_path: Path):
    config = "from dataclasses import dataclass\n@dataclass\nclass Old(Config):\n    def {}(self): ...\n"
    for old, new in (("faults", "validate"), ("lasting", "without_init_weights")):
        place = tmp_path / old
        plugin = MODEL.replace("config=Config", "config=Old")
        install(place, f"old-{old}", f"{MODELS}old-{old} = {{}}:plugin\n", HEAD + config.format(old) + plugin)
        with visible(place), pytest.raises(PluginBroken) as caught:
            discovery.load(Kind.model, f"old-{old}")
        assert f"its config defines {old}(), which is called {new}() now" in str(caught.value)
