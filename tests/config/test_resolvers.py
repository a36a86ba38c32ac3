"""A configuration reads the environment, but from elsewhere no secrets, and asks nothing else of the outside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from omegaconf import OmegaConf

from ocr_trainer.config import security
from ocr_trainer.config.compose import compose, run_hydra
from ocr_trainer.config.schema import plain
from ocr_trainer.errors import ConfigError, OcrTrainerError


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test has read of the environment is no secret of the next."""
    for memory in ("_values", "_references"):
        monkeypatch.setattr(security, memory, {})


def refused(attempt: Callable[[], Any]) -> str:
    with pytest.raises(OcrTrainerError) as caught:
        attempt()
    return str(caught.value)


def test_case_63_overrides_read_every_variable(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DATA_ROOT", "/data")
    monkeypatch.setenv("TOKEN", "canary-in-the-environment")
    monkeypatch.delenv("OTHER", raising=False)
    run = compose(["dataset=sroie", "dataset.root=${oc.env:DATA_ROOT}/sroie"])
    assert str(run.dataset.root) == "/data/sroie"
    assert plain(run)["dataset"]["root"] == "${oc.env:DATA_ROOT}/sroie"
    assert security.redact("no folder /data/sroie with canary-in-the-environment") == (
        "no folder /data/sroie with ${oc.env:TOKEN}"
    )
    assert compose(["exp_name=${oc.env:OTHER,other}"]).exp_name == "other"
    assert "the environment variable OTHER is not set" in refused(
        lambda: compose(["exp_name=${oc.env:OTHER}"])
    )


READS = {
    "${oc.env:MY_TOKEN}": "reads a secret",
    "${oc.env:MY_TOKEN,default}": "reads a secret",
    "a/${ oc.env : MY_TOKEN }/b": "reads a secret",
    "${oc.select:nothing,${oc.env:MY_TOKEN}}": "reads a secret",
    "${oc.env:NOT_SET,${oc.env:MY_TOKEN}}": "reads a secret",
    "${oc.env:PIN_OF_ACME}": "reads a secret",
    "${oc.env:MIRROR}": "reads a secret",
    "${oc.env:'MY_TOKEN'}": "must name the variable",
    "${oc.env:${output_dir}}": "must name the variable",
    "${oc.env:${oc.select:nothing,MY_TOKEN}}": "must name the variable",
    "${oc.${output_dir}:MY_TOKEN}": "must name the variable",
    "${${output_dir}.env:MY_TOKEN}": "must name the variable",
}


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "canary-of-a-token")
    monkeypatch.setenv("PIN_OF_ACME", "canary-of-a-pin")
    monkeypatch.setenv("MIRROR", "https://user:canary-of-a-url@mirror")
    monkeypatch.setenv("OCR_TRAIN_SECRET_VARIABLES", "pin_*, other")
    monkeypatch.setenv("DATA_ROOT", "place")


@pytest.mark.usefixtures("secrets")
@pytest.mark.parametrize("text", READS)
def test_case_63_a_configuration_from_elsewhere_reads_no_secret(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    saved = plain(compose([])) | {"exp_name": text}
    file = tmp_path / "experiment" / "shared.yaml"
    file.parent.mkdir()
    file.write_text(yaml.safe_dump({"exp_name": text}))
    words = ["--config-dir", str(tmp_path), "experiment=shared", "--cfg", "job"]
    for attempt in (lambda: compose([], saved), lambda: run_hydra(print, print, words)):
        message = refused(attempt)
        assert READS[text] in message
        assert f"exp_name: {text}" in message
        assert "canary" not in message
    # The command line is trusted: it replaces what the configuration says, or allows it.
    assert compose(["exp_name=mine"], saved).exp_name == "mine"
    if READS[text] == "reads a secret":
        monkeypatch.setenv("OCR_TRAIN_ALLOW_ENV", "MY_TOKEN,PIN_OF_ACME, MIRROR")
        assert "canary" in compose([], saved).exp_name


@pytest.mark.usefixtures("secrets")
def test_case_63_a_configuration_from_elsewhere_reads_other_variables(tmp_path: Path):
    saved = plain(compose(["exp_name=${oc.env:DATA_ROOT}"]))
    assert saved["exp_name"] == "${oc.env:DATA_ROOT}"
    assert compose([], saved).exp_name == "place"
    file = tmp_path / "experiment" / "shared.yaml"
    file.parent.mkdir()
    file.write_text("# @package _global_\nexp_name: ${oc.env:DATA_ROOT}\n")
    names: list[str] = []
    run_hydra(
        lambda run: names.append(run.exp_name), print, ["--config-dir", str(tmp_path), "experiment=shared"]
    )
    assert names == ["place"]


@pytest.mark.usefixtures("secrets")
def test_case_63_no_folder_is_named_after_a_secret():
    for override in ("exp_name=of-${oc.env:MY_TOKEN}", "output_dir=of-${oc.env:MY_TOKEN}"):
        message = refused(lambda override=override: compose([override]))
        assert "contains the secret MY_TOKEN" in message
        assert "canary" not in message


@pytest.mark.parametrize(
    "name", ["HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "pgpassword", "MyApiKey", "BASIC_AUTH", "AUTHORIZATION"]
)
def test_case_63_names_of_secrets(name: str):
    assert security.is_secret(name)


@pytest.mark.parametrize(
    "name", ["DATA_ROOT", "HOME", "PWD", "GIT_AUTHOR_NAME", "TOKENIZERS_PARALLELISM", "AUTHORS"]
)
def test_case_63_names_of_other_variables(name: str):
    assert not security.is_secret(name)


def test_case_63_no_other_resolver_is_there_and_those_of_the_program_come_back():
    asked: list[int] = []
    OmegaConf.register_new_resolver("evil", asked.append, replace=True)
    for text in ("${evil:1}", "${oc.decode:'1'}", "${oc.dict.keys:model}"):
        with pytest.raises(ConfigError, match="cannot be used"):
            compose([f"exp_name={text}"])
    assert compose(["exp_name=${oc.select:nothing,seven}"]).exp_name == "seven"
    assert asked == []
    assert OmegaConf.create({"a": "${evil:1}"}).a is None
    assert asked == [1]
    OmegaConf.clear_resolver("evil")
