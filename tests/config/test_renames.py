"""Options of version 0.1 are refused with their new names."""

from __future__ import annotations

import pytest
from hydra.errors import ConfigCompositionException

from ocr_trainer.config.compose import compose
from ocr_trainer.config.messages import explain, unknown
from ocr_trainer.config.renames import RENAMED
from ocr_trainer.errors import ConfigError

SECTIONS = {"text_augment": "blur=0.1", "ranks": "timeout=3"}
"""An option below each renamed section."""


def refusal(*overrides: str) -> str:
    with pytest.raises(ConfigError) as error:
        compose(["model=crnn", *overrides])
    return str(error.value)


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_the_message_names_the_new_option(old: str, new: str):
    assert unknown(old, [], "") == f"there is no option '{old}': it is now called '{new}'"


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_an_override_of_the_old_option_is_refused(old: str, new: str):
    override = f"{old}.{SECTIONS[old]}" if old in SECTIONS else f"{old}=0.1"
    key = override.partition("=")[0]
    renamed = new + key.removeprefix(old)
    assert f"there is no option '{key}' (from '{override}'): it is now called '{renamed}'" in refusal(
        override
    )


def test_both_a_section_and_its_option_are_renamed():
    assert "it is now called 'augment.color'" in refusal("text_augment.colour=0.1")


@pytest.mark.parametrize("override", ["text_augment=strong", "+text_augment=strong"])
def test_a_renamed_config_group_is_refused(override: str):
    assert "it is now called 'augment'" in refusal(override)


def test_a_renamed_config_group_that_hydra_does_not_find_is_refused():
    error = ConfigCompositionException("Could not override 'text_augment'. No match in the defaults list.")
    message = explain(error, ["text_augment=strong"]).message
    assert message == (
        "there is no config group 'text_augment' (from 'text_augment=strong'): it is now called 'augment'"
    )
