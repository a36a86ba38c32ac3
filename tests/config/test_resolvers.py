"""A configuration reads the environment variables that the user allows, and asks nothing else of the outside."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from omegaconf import OmegaConf

from ocr_trainer.config import security
from ocr_trainer.config.compose import compose
from ocr_trainer.config.schema import plain
from ocr_trainer.errors import ConfigError, OcrTrainerError


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test has read of the environment is no secret of the next."""
    for memory in ("_values", "_references"):
        monkeypatch.setattr(security, memory, {})
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)


def refused(attempt: Callable[[], Any]) -> str:
    with pytest.raises(OcrTrainerError) as caught:
        attempt()
    return str(caught.value)


def test_case_63_a_configuration_reads_no_variable_that_is_not_allowed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CANARY", "canary-in-the-environment")
    saved = plain(compose([])) | {"exp_name": "${oc.env:CANARY}"}
    for attempt in (
        lambda: compose(["exp_name=${oc.env:CANARY}"]),
        lambda: compose(["exp_name=${oc.env:CANARY,other}"]),
        lambda: compose(["exp_name='a-${oc.env:${oc.select:nothing,CANARY}}'"]),
        lambda: compose([], saved),
    ):
        message = refused(attempt)
        assert "canary-in" not in message
        assert "the configuration may not read this environment variable" in message
    monkeypatch.setenv("OCR_TRAIN_ALLOW_ENV", "OTHER, CANARY")
    assert compose(["exp_name=${oc.env:CANARY}"]).exp_name == "canary-in-the-environment"
    assert "the environment variable OTHER is not set" in refused(
        lambda: compose(["exp_name=${oc.env:OTHER}"])
    )


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
