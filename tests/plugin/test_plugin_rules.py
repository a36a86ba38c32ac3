"""Plugins that are denied are not imported, those that break the contract are refused, those used are recorded."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from helpers.fakes import HEAD, IMPORTED, MODEL, MODELS, imported, install, python_path, visible

from ocr_trainer.config.compose import compose
from ocr_trainer.errors import ConfigError, PluginBroken, PluginDenied
from ocr_trainer.plugin import Context, Kind, Task, allowlist, discovery

Cli = Callable[..., "CompletedProcess[str]"]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    """A folder for fake distributions that this process sees."""
    with visible(tmp_path / "site") as folder:
        yield folder


@pytest.mark.parametrize(
    ("rule", "denied"),
    [
        ("one", {"model/one", "dataset/one"}),
        ("model/one", {"model/one"}),
        ("acme-rules:one", {"model/one", "dataset/one"}),
        ("ACME_rules:*", {"model/one", "dataset/one", "model/two"}),
        ("model/acme-*:t?o , csv", {"model/two", "logger/csv", "writer/csv"}),
        ("absent,one-more:*", set()),
    ],
)
def test_case_60_rules_deny_and_allow(
    site: Path, monkeypatch: pytest.MonkeyPatch, rule: str, denied: set[str]
):
    points = MODELS + "one = {0}:plugin\ntwo = {0}:plugin\n[ocr_trainer.datasets]\none = {0}:plugin\n"
    install(site, "acme-rules", points)

    def those(wanted: bool, core: bool) -> set[str]:
        found = (p for p in discovery.installed() if core or p.distribution != "ocr-trainer")
        return {f"{p.kind.value}/{p.name}" for p in found if (p.denial is not None) is wanted}

    monkeypatch.setenv("OCR_TRAIN_DISABLE_PLUGINS", rule)
    assert those(True, core=True) == denied
    monkeypatch.delenv("OCR_TRAIN_DISABLE_PLUGINS")
    assert those(True, core=True) == set()
    allowlist.restrict(allow=[entry.strip() for entry in rule.split(",")])
    assert those(False, core=False) == denied - {"logger/csv", "writer/csv"}
    assert {"dataset/concat", "logger/csv"} <= those(False, core=True)


def test_case_60_the_environment_and_the_words_both_hold(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OCR_TRAIN_ALLOW_PLUGINS", "crnn,parseq")
    monkeypatch.setenv("OCR_TRAIN_DISABLE_PLUGINS", "parseq")
    assert allowlist.pop_rules(["plugins.png", "plugins.allow=['dbnet', crnn]", "a=1"]) == [
        "plugins.png",
        "a=1",
    ]
    assert discovery.names(Kind.model) == ["crnn"]
    allowlist.pop_rules(["check"])
    assert allowlist.rules() == {
        "OCR_TRAIN_ALLOW_PLUGINS": ["crnn", "parseq"],
        "OCR_TRAIN_DISABLE_PLUGINS": ["parseq"],
    }


def test_case_60_a_denied_plugin_is_not_imported_and_the_rule_is_named(
    site: Path, monkeypatch: pytest.MonkeyPatch
):
    install(site, "acme-one", MODELS + "one = {}:plugin\n", IMPORTED + HEAD + MODEL)
    monkeypatch.setenv("OCR_TRAIN_DISABLE_PLUGINS", "acme-*:*")
    assert "one" not in discovery.names(Kind.model)
    for name in ("one", "acme-one:one"):
        with pytest.raises(PluginDenied) as caught:
            compose([f"model={name}"])
        assert str(caught.value) == (
            f"the model plugin '{name}' is denied by OCR_TRAIN_DISABLE_PLUGINS=acme-*:*\n"
            "  provided by acme-one 1.0 (acme_one:plugin)"
        )
    assert imported(site) == []
    monkeypatch.delenv("OCR_TRAIN_DISABLE_PLUGINS")
    compose(["model=one"])
    assert imported(site) == ["acme_one"]


@pytest.mark.usefixtures("site")
def test_case_60_what_was_imported_before_is_denied_too():
    assert compose(["model=crnn"]).model.name == "crnn"
    allowlist.restrict(allow=["dbnet"])
    with pytest.raises(PluginDenied, match=r"denied by plugins.allow=\[dbnet\], which does not list it"):
        compose(["model=crnn"])


@pytest.mark.parametrize(
    "words", [["check"], ["--cfg", "job"], ["describe", "model", "one"], ["list-plugins"]]
)
def test_case_60_the_words_come_before_any_import(cli: Cli, tmp_path: Path, words: list[str]):
    site = tmp_path / "site"
    install(site, "acme-one", MODELS + "one = {}:plugin\n", IMPORTED + HEAD + MODEL)
    asks = [] if len(words) == 3 or words == ["list-plugins"] else ["model=one"]
    done = cli(*words, *asks, "plugins.deny=[acme-one:*]", **python_path(site))
    if words == ["list-plugins"]:
        assert "DENIED by plugins.deny=[acme-one:*]" in done.stdout
    else:
        assert (done.returncode, done.stdout) == (2, "")
        assert "'one' is denied by plugins.deny=[acme-one:*]" in done.stderr
    assert imported(site) == []


def asked_with(word: str) -> None:
    allowlist.pop_rules(["check", word])
    discovery.names(Kind.model)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("plugins.denny=[one]", "'plugins.denny=[one]' is not a rule for plugins"),
        ("plugins.deny=[modl/one]", "plugins.deny: 'modl/one' is not an entry for plugins"),
        ("plugins.allow=[a:b:c]", "plugins.allow: 'a:b:c' is not an entry for plugins"),
    ],
)
def test_case_60_a_rule_that_denies_nothing_by_a_slip_is_refused(word: str, message: str):
    try:
        with pytest.raises(ConfigError) as caught:
            asked_with(word)
    finally:
        allowlist.restrict()
    assert str(caught.value).startswith(message)


def test_case_60_a_run_records_whose_code_it_used():
    from ocr_trainer.engine.report import used_plugins

    run = compose(["model=crnn", "dataset=synthetic", "logger=[csv]"])
    rows = {row["name"]: row for row in used_plugins(run)}
    assert {name: row["distribution"] for name, row in rows.items()} == {
        "crnn": "ocr-trainer-crnn",
        "synthetic": "ocr-trainer-synthetic",
        **dict.fromkeys(("csv", "adamw", "cosine"), "ocr-trainer"),
    }
    assert all(row["version"] == version(row["distribution"]) for row in rows.values())
    import ocr_trainer_crnn

    folder = Path(ocr_trainer_crnn.__file__).parent
    code = "find . -name '*.py' | sed 's|^[.]/||' | LC_ALL=C sort"
    files = subprocess.run(
        ["sh", "-c", code], cwd=folder, capture_output=True, text=True, timeout=60, check=True
    )
    total = hashlib.sha256()
    for name in files.stdout.split():
        content = (folder / name).read_bytes()
        total.update(b"ocr_trainer_crnn/%s\0%d\0" % (name.encode(), len(content)) + content)
    assert rows["crnn"]["sha256"] == total.hexdigest()


def test_case_60_the_hash_is_of_the_code_alone(tmp_path: Path):
    from ocr_trainer.engine.report import code_hash

    def hashed(place: str, **files: str) -> str:
        package = tmp_path / place / "acme_hashed"
        package.mkdir(parents=True)
        for name, text in files.items():
            (package / name.replace("_dot_", ".")).write_text(text, encoding="utf-8")
        with visible(tmp_path / place):
            before = set(sys.modules)
            found = code_hash("acme_hashed.plugin:one", "acme_hashed.model")
            assert set(sys.modules) == before
        return found

    one = hashed("a", __init___dot_py="", plugin_dot_py="x = 1")
    assert hashed("b", __init___dot_py="", plugin_dot_py="x = 1", table_dot_json="{}") == one
    assert hashed("c", __init___dot_py="", plugin_dot_py="x = 2") != one
    assert hashed("d", __init___dot_py="", plugin_dot_py="x = 1", native_dot_so="") != one


API_2 = HEAD + MODEL.replace("api=1", "api=2")
NO_LOSS = (
    HEAD
    + MODEL.replace("a_module:Model", "{}:Model")
    + """
def __getattr__(name):
    from ocr_trainer.tasks.detection.detector import Detector

    class Model(Detector):
        def forward(self, images): ...

    return Model
"""
)


def test_case_61_another_version_of_the_contract_is_refused(site: Path):
    install(site, "acme-newer", MODELS + "newer = {}:plugin\n", API_2)
    with pytest.raises(PluginBroken) as caught:
        compose(["model=newer"])
    assert str(caught.value) == (
        "the model plugin 'newer' cannot be used: "
        "it is written for version 2 of the plugin contract, but this is version 1\n"
        "  provided by acme-newer 1.0 (acme_newer:plugin)\n"
        "  update or uninstall acme-newer"
    )


def test_case_61_a_model_that_lacks_methods_is_refused(site: Path):
    install(site, "acme-half", MODELS + "half = {}:plugin\n", NO_LOSS.replace("{}", "acme_half"))
    from ocr_trainer.plugin.build import build

    with pytest.raises(PluginBroken) as caught:
        build(Kind.model, compose(["model=half"]).model, Context(task=Task.detection))
    first, *others = str(caught.value).splitlines()
    lacking = re.fullmatch(
        "the model plugin 'half' cannot be used: its factory acme_half:Model lacks (.*), "
        "required by version 1 of the plugin contract",
        first,
    )
    assert lacking is not None
    assert {"loss", "decode"} <= set(lacking[1].split(", "))
    assert "forward" not in lacking[1]
    assert others == ["  provided by acme-half 1.0 (acme_half:plugin)", "  update or uninstall acme-half"]
