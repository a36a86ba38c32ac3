"""Experiments and presets that distributions ship."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from helpers.fakes import IMPORTED, install, python_path, visible

from ocr_trainer.config.compose import compose
from ocr_trainer.config.describe import describe
from ocr_trainer.config.hydra_source import presets
from ocr_trainer.errors import ConfigError, PluginBroken, PluginConflict, PluginDenied
from ocr_trainer.plugin import Kind, Task
from ocr_trainer.plugin.metadata import find_defect, installed, read_summary

HEADER = "# @package _global_\n"


def ship(site: Path, distribution: str, **files: str) -> Path:
    """Install a distribution with files, `group__name=content`, in a package that tells when it is imported."""
    module = distribution.replace("-", "_")
    install(site, distribution, f"[ocr_trainer.configs]\nmine = {module}.configs\n")
    (site / f"{module}.py").unlink()
    folder = site / module / "configs"
    folder.mkdir(parents=True)
    (site / module / "__init__.py").write_text(IMPORTED)
    for key, content in files.items():
        file = folder / f"{key.replace('__', '/')}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
    return folder


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    """A folder for fake distributions that this process sees."""
    with visible(tmp_path / "site") as folder:
        yield folder


def test_experiments_and_presets_are_found_without_importing_the_package(site: Path):
    ship(
        site,
        "acme-runs",
        experiment__invoices=f"{HEADER}# Invoices.\ndefaults: [base, override /augment: soft]\nseed: 7\n",
        experiment__base=f"{HEADER}exp_name: invoices\n",
        augment__detection__soft="rotate: 1.0\n",
        trainer__long="max_epochs: 77\n",
    )
    run = compose(["experiment=invoices", "+trainer=long"])
    assert (run.exp_name, run.seed, run.augment.rotate, run.trainer.max_epochs) == ("invoices", 7, 1.0, 77)
    assert compose(["experiment=Acme_Runs:invoices"]).seed == 7
    assert presets("augment")["soft"] == [Task.detection]
    (plugin,) = (p for p in installed() if p.distribution == "acme-runs")
    assert read_summary(plugin) == "augment/detection: soft; experiment: base, invoices; trainer: long"
    assert "experiment=invoices\n    Invoices." in describe(Kind.configs, "mine")
    assert not list(site.rglob("*.imported"))


def test_those_of_this_repository_come_with_their_distributions():
    for name, distribution in (("receipts", "ocr-trainer-dbnet"), ("digits", "ocr-trainer-crnn")):
        words = ["dataset.root=/data"] if name == "receipts" else []
        run = compose([f"experiment={name}", *words])
        assert run == compose([f"experiment={distribution}:{name}", *words])
        assert run.exp_name == name
    assert compose(["experiment=forms", "dataset.root=/data"]).model.box_threshold == 0.5  # of receipts


def test_two_experiments_of_one_name_are_refused(site: Path):
    two = f"{HEADER}defaults: [one]\n"
    ship(site, "acme-a", experiment__one=f"{HEADER}seed: 1\n", experiment__two=two)
    ship(site, "acme-b", experiment__one=f"{HEADER}seed: 2\n")
    with pytest.raises(PluginConflict) as caught:
        compose(["experiment=one"])
    assert str(caught.value) == (
        "2 distributions ship experiment=one:\n"
        "  acme-a 1.0 (acme_a.configs)\n"
        "  acme-b 1.0 (acme_b.configs)\n"
        "  choose one, as in experiment=acme-a:one"
    )
    assert compose(["experiment=acme-b:one"]).seed == 2
    assert compose(["experiment=two"]).seed == 1  # prefers what its own distribution ships
    with pytest.raises(ConfigError, match=r"available: .*acme-a:one, acme-b:one, .*one"):
        compose(["experiment=three"])


def test_names_of_the_core_stay_the_cores(site: Path):
    ship(site, "acme-a", experiment__demo=f"{HEADER}seed: 1\n", augment__detection__light="rotate: 2.0\n")
    before = compose([]).augment.rotate
    assert before != 2.0
    assert compose(["experiment=demo"]).exp_name == "demo"
    assert compose(["experiment=acme-a:demo"]).seed == 1
    assert compose(["augment=acme-a:light"]).augment.rotate == 2.0


def test_denied_and_unknown_experiments_are_refused(site: Path, monkeypatch: pytest.MonkeyPatch):
    ship(site, "acme-runs", experiment__invoices=f"{HEADER}seed: 7\n", experiment__demo=f"{HEADER}seed: 1\n")
    with pytest.raises(ConfigError, match=r"there is no experiment 'invoice'\. Did you mean 'invoices'"):
        compose(["experiment=invoice"])
    monkeypatch.setenv("OCR_TRAIN_DISABLE_PLUGINS", "configs/acme-*:*")
    with pytest.raises(PluginDenied, match="experiment=invoices is denied by OCR_TRAIN_DISABLE_PLUGINS"):
        compose(["experiment=invoices"])
    assert compose(["experiment=demo"]).exp_name == "demo"
    monkeypatch.setenv("OCR_TRAIN_DISABLE_PLUGINS", "")
    monkeypatch.setenv("OCR_TRAIN_ALLOW_PLUGINS", "dbnet,synthetic,resnet18")
    assert compose(["experiment=demo"]).exp_name == "demo"


BROKEN = {
    "a: [1": "line 2 is not valid YAML: ",
    "- a list": "it holds a list",
    f"{HEADER}hydra:\n  verbose: true\n": "it sets options of Hydra itself",
    f"{HEADER}model:\n  _target_: os.system\n": "model._target_ names code to run",
    f"{HEADER}defaults: [override /hydra/launcher: x]\n": "its defaults choose",
}


@pytest.mark.parametrize("content", BROKEN)
def test_a_broken_file_costs_the_run_that_selects_it(site: Path, content: str):
    ship(site, "acme-runs", experiment__bad=content, experiment__good=f"{HEADER}seed: 7\n")
    assert compose(["experiment=good"]).seed == 7
    with pytest.raises(PluginBroken) as caught:
        compose(["experiment=bad"])
    assert "the configs plugin 'mine' cannot be used: experiment/bad.yaml: " in str(caught.value)
    assert BROKEN[content] in str(caught.value)
    assert "provided by acme-runs 1.0" in str(caught.value)


def test_a_wrong_option_is_reported_with_the_file(site: Path):
    ship(site, "acme-runs", experiment__bad=f"{HEADER}trainer:\n  max_epoch: 3\n")
    with pytest.raises(
        ConfigError, match=r"there is no option 'trainer.max_epoch' \(in experiment/bad.yaml\)"
    ):
        compose(["experiment=bad"])


def test_a_package_without_its_folder_is_broken_and_costs_nothing(site: Path):
    folder = ship(site, "acme-runs", experiment__a=HEADER)
    (folder / "experiment" / "a.yaml").unlink()
    (folder / "experiment").rmdir()
    folder.rmdir()
    (plugin,) = (p for p in installed() if p.distribution == "acme-runs")
    assert find_defect(plugin) == "there is no folder of the package 'acme_runs.configs'"
    assert compose([]).exp_name == "default"


def test_nothing_of_hydra_or_above_the_folder_is_shipped(site: Path):
    ship(site, "acme-runs", hydra__launcher__basic="x: 1\n", train="seed: 7\n", schema="seed: 7\n")
    assert compose([]).seed == 0
    for word in ("experiment=../train", "experiment=/etc/passwd", "experiment=acme-runs:../train"):
        with pytest.raises(ConfigError):
            compose([word])


def test_completion_and_info_know_them(cli: Callable[..., CompletedProcess[str]], site: Path):
    ship(site, "acme-runs", experiment__invoices=f"{HEADER}seed: 7\n")
    done = cli("--info", "defaults", "experiment=invoices", **python_path(site))
    assert "experiment/invoices" in done.stdout
    line = "ocr-train experiment=inv"
    done = cli("-sc", "query=bash", **python_path(site), COMP_LINE=line, COMP_POINT=str(len(line)))
    assert done.stdout.split() == ["experiment=invoices"]
