"""A broken plugin costs only the run that selects it, and says why. Messages are part of the interface: verbatim.

The plugins are real to Python: modules and `.dist-info` folders on its path. Nothing is built or installed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from ocr_trainer.api.catalog import describe
from ocr_trainer.errors import PluginBroken
from ocr_trainer.plugin import Kind, discovery

Cli = Callable[..., "CompletedProcess[str]"]

HEAD = """\
from __future__ import annotations
from dataclasses import dataclass
from ocr_trainer.plugin import Config, DatasetPlugin, LoggerPlugin, ModelPlugin, Task
"""


def model(config: str = "Config", api: int = 1, factory: str = "absent_module:Model") -> str:
    """Return a line that describes a model."""
    return (
        f"plugin = ModelPlugin(api={api}, summary='a model', config={config}, task=Task.detection, "
        f"factory={factory!r})\n"
    )


@dataclass(frozen=True)
class Case:
    """A plugin that cannot be loaded, and what is said of it."""

    name: str
    source: str | None
    """The module; `None` where there is none."""
    reason: str
    kind: Kind = Kind.model
    target: str = ""

    @property
    def module(self) -> str:
        return f"broken_{self.name}"

    @property
    def points_to(self) -> str:
        return self.target or f"{self.module}:plugin"

    @property
    def choice(self) -> str:
        return f"logger=[{self.name}]" if self.kind is Kind.logger else f"{self.kind.value}={self.name}"

    @property
    def message(self) -> str:
        return (
            f"the {self.kind.value} plugin '{self.name}' cannot be used: {self.reason}\n"
            f"  provided by ocr-trainer-{self.name} 1.0 ({self.points_to})\n"
            f"  update or uninstall ocr-trainer-{self.name}"
        )


NOT_A_DATACLASS = "its config is not a dataclass derived from ocr_trainer.plugin.Config"

UNDESCRIBED = [
    Case(
        "no_module",
        None,
        "importing it failed with ModuleNotFoundError: No module named 'broken_no_module'",
    ),
    Case(
        "no_dependency",
        "import absent_dependency\n",
        "importing it failed with ModuleNotFoundError: No module named 'absent_dependency'",
    ),
    Case(
        "no_object",
        HEAD,
        "importing it failed with AttributeError: module 'broken_no_object' has no attribute 'plugin'",
    ),
    Case(
        "raises",
        "raise RuntimeError('there is no license')\n",
        "importing it failed with RuntimeError: there is no license",
    ),
    Case("exits", "import sys\nsys.exit(3)\n", "importing it failed with SystemExit: 3"),
    Case("asserts", "assert False, 'never'\n", "importing it failed with AssertionError: never"),
    Case(
        "other_api",
        HEAD + model(api=2),
        "it is written for version 2 of the plugin contract, but this is version 1",
    ),
    Case(
        "other_kind",
        HEAD
        + "plugin = DatasetPlugin(api=1, summary='', config=Config, tasks=(Task.detection,), factory='a:b')\n",
        "it is registered in ocr_trainer.models, but is a DatasetPlugin",
    ),
    Case("no_plugin", "plugin = 3\n", "broken_no_plugin:plugin is of type int, not ModelPlugin"),
    Case("no_base", HEAD + "class Options:\n    depth = 3\n" + model("Options"), NOT_A_DATACLASS),
    Case(
        "no_decorator",
        HEAD + "class Options(Config):\n    depth: int = 3\n" + model("Options"),
        NOT_A_DATACLASS,
    ),
    Case(
        "no_type",
        HEAD + "@dataclass\nclass Options(Config):\n    depth = 3\n" + model("Options"),
        "its options depth have no type annotation",
    ),
    Case(
        "unknown_type",
        HEAD + "@dataclass\nclass Options(Config):\n    depth: Absent = 3\n" + model("Options"),
        "the type of one of its options cannot be resolved: NameError: name 'Absent' is not defined",
    ),
    Case(
        "no_target",
        None,
        "its entry point names 'a class of mine!', which is not package.module:attribute",
        target="a class of mine!",
    ),
    Case(
        "plain_logger",
        HEAD + "plugin = LoggerPlugin(api=1, summary='', config=Config, factory='a:b')\n",
        "its config is not a dataclass derived from ocr_trainer.plugin.LoggerConfig",
        kind=Kind.logger,
    ),
]
UNCOMPOSED = [
    Case(
        "bad_default",
        HEAD + "@dataclass\nclass Options(Config):\n    depth: int = 'deep'\n" + model("Options"),
        "its option depth is malformed: Value 'deep' of type 'str' could not be converted to Integer",
    ),
    Case(
        "set_of_int",
        HEAD + "@dataclass\nclass Options(Config):\n    depths: set[int] = frozenset()\n" + model("Options"),
        "its option depths is malformed: Unexpected type annotation: set[int]",
    ),
]
UNBUILT = [
    Case(
        "no_factory",
        HEAD + model(factory="broken_no_factory:Model"),
        "its factory broken_no_factory:Model cannot be imported: "
        "AttributeError: module 'broken_no_factory' has no attribute 'Model'",
    ),
    Case(
        "no_heavy_module",
        HEAD + model(),
        "its factory absent_module:Model cannot be imported: "
        "ModuleNotFoundError: No module named 'absent_module'",
    ),
    Case(
        "heavy_exits",
        HEAD + model(factory="broken_exits:Model"),
        "its factory broken_exits:Model cannot be imported: SystemExit: 3",
    ),
]
CASES = [*UNDESCRIBED, *UNCOMPOSED, *UNBUILT]

TWINS = ("acme-twin", "ocr-trainer-twin")
CONFLICT = """\
two distributions provide the model plugin 'twin':
  acme-twin 1.0 (acme_twin:plugin)
  ocr-trainer-twin 1.0 (ocr_trainer_twin:plugin)
  choose one, as in model=acme-twin:twin, or uninstall the other"""


def install(folder: Path, distribution: str, entry_points: str | bytes) -> None:
    """Make what an installer leaves of a distribution."""
    info = folder / f"{distribution.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    text = entry_points if isinstance(entry_points, bytes) else entry_points.encode()
    (info / "entry_points.txt").write_bytes(text)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all broken plugins, a name that two offer, and a sound plugin between them."""
    folder = tmp_path_factory.mktemp("site")
    for case in CASES:
        install(
            folder,
            f"ocr-trainer-{case.name}",
            f"[{case.kind.entry_points}]\n{case.name} = {case.points_to}\n",
        )
        if case.source is not None:
            (folder / f"{case.module}.py").write_text(case.source)
    for distribution in TWINS:
        module = distribution.replace("-", "_")
        install(folder, distribution, f"[ocr_trainer.models]\ntwin = {module}:plugin\n")
        (folder / f"{module}.py").write_text("raise AssertionError('neither of the two is imported')\n")
    install(folder, "ocr-trainer-sound", "[ocr_trainer.models]\nsound = sound_model:plugin\n")
    (folder / "sound_model.py").write_text(HEAD + model())
    return folder


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with distributions whose entry points cannot be read, as written by other tools."""
    folder = tmp_path_factory.mktemp("strangers")
    malformed = (
        "[console_scripts]\nthis line is no entry point\n[ocr_trainer.models]\nnor this\n = nameless:one\n"
    )
    install(folder, "malformed", malformed)
    install(folder, "latin", "[ocr_trainer.models]\ncafé = a:b\n".encode("latin-1"))
    return folder


@pytest.fixture
def seen(site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let this process see the broken plugins."""
    monkeypatch.syspath_prepend(site)
    discovery.installed.cache_clear()
    yield
    monkeypatch.undo()
    discovery.installed.cache_clear()
    discovery.described.cache_clear()


def path(*folders: Path) -> dict[str, str]:
    """Return the environment variable that puts folders on Python's path."""
    before = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join([*map(str, folders), *([before] if before else [])])}


def by_name(case: Case) -> str:
    return case.name


def test_all_are_listed(cli: Cli, site: Path, strangers: Path):
    without, done = cli("list-plugins"), cli("list-plugins", **path(site, strangers))
    assert (done.returncode, done.stderr) == (0, "")

    def rows(text: str) -> set[tuple[str, ...]]:
        return {tuple(line.split(maxsplit=4)) for line in text.splitlines()}

    def seen(case: Case) -> tuple[str, ...]:
        """What can be told without importing anything."""
        if case.target:
            return (f"BROKEN: {case.reason}",)
        if case.source is None:
            return (f"BROKEN: there is no module '{case.module}'",)
        return (
            ("a model",)
            if "plugin = ModelPlugin(" in case.source and "summary='a model'" in case.source
            else ()
        )

    note = "CONFLICT: several distributions provide this name"
    assert rows(done.stdout) - rows(without.stdout) == {
        ("model", "sound", "ocr-trainer-sound", "1.0", "a model"),
        *(("model", "twin", distribution, "1.0", note) for distribution in TWINS),
        *((case.kind.value, case.name, f"ocr-trainer-{case.name}", "1.0", *seen(case)) for case in CASES),
    }
    assert rows(without.stdout) <= rows(done.stdout)


def test_runs_that_select_none_of_them_are_as_before(cli: Cli, site: Path, strangers: Path):
    sound = cli("check", "model=sound", **path(site, strangers))
    assert (sound.returncode, sound.stderr) == (0, "")
    assert sound.stdout.startswith("model:\n  name: sound\ndataset:\n  name: synthetic\n")
    if "dbnet" in discovery.names(Kind.model):
        before, after = cli("check", "model=dbnet"), cli("check", "model=dbnet", **path(site, strangers))
        assert (after.returncode, after.stderr) == (0, "")
        assert after.stdout == before.stdout


@pytest.mark.parametrize("case", [*UNDESCRIBED, *UNCOMPOSED], ids=by_name)
def test_a_run_that_selects_it_is_told_why(cli: Cli, site: Path, strangers: Path, case: Case):
    other = ["model=sound"] if case.kind is not Kind.model else []
    done = cli("check", *other, case.choice, **path(site, strangers))
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"ocr-train: {case.message}\n")


def test_a_run_that_selects_a_name_of_two_is_told_of_both(cli: Cli, site: Path):
    done = cli("check", "model=twin", **path(site))
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"ocr-train: {CONFLICT}\n")


def test_through_hydra_it_says_the_same(cli: Cli, site: Path):
    case = next(case for case in CASES if case.name == "exits")
    done = cli("check", "--cfg", "job", case.choice, **path(site))
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"ocr-train: {case.message}\n")


@pytest.mark.usefixtures("seen")
@pytest.mark.parametrize("case", UNDESCRIBED, ids=by_name)
def test_describe_says_the_same(case: Case):
    with pytest.raises(PluginBroken) as caught:
        describe(case.kind.value, case.name)
    assert str(caught.value) == case.message


@pytest.mark.usefixtures("seen")
@pytest.mark.parametrize("case", UNBUILT, ids=by_name)
def test_the_heavy_half_is_missed_when_it_is_needed(case: Case):
    assert describe(case.kind.value, case.name)
    with pytest.raises(PluginBroken) as caught:
        discovery.resolve(case.kind, case.name)
    assert str(caught.value) == case.message


def test_a_run_without_its_factory_ends_with_the_message(cli: Cli, site: Path):
    (case,) = (case for case in UNBUILT if case.name == "no_factory")
    assert cli("check", case.choice, **path(site)).returncode == 0
    done = cli(case.choice, "trainer.accelerator=cpu", **path(site))
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"ocr-train: {case.message}\n")
