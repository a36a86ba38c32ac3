"""What is passed as a keyword is what the configuration holds."""

from __future__ import annotations

from enum import Enum
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import QuotedString
from hypothesis import given
from hypothesis import strategies as st

import ocr_trainer as ocr
from ocr_trainer.api.overrides import literal, overrides_of

# `${` refers to another value, and a lone surrogate cannot be written to a file.
TEXTS = st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: "${" not in text)
KEYS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,5}", fullmatch=True).filter(
    lambda key: key.lower() not in {"null", "true", "false", "nan", "inf"}
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=3)
)


def parsed(value: Any) -> Any:
    """Return what Hydra's parser takes a value for."""
    if isinstance(value, QuotedString):
        return value.text
    if isinstance(value, list):
        return [parsed(item) for item in value]
    if isinstance(value, dict):
        return {parsed(key): parsed(item) for key, item in value.items()}
    return value


@given(VALUES)
def test_hydra_reads_what_was_passed(value: Any):
    text = f"++section.option={literal(value, 'option')}"
    found = parsed(OverridesParser.create().parse_override(text).value())
    assert found == value
    assert type(found) is type(value)


class Color(Enum):
    red = "the value"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Path("a b/c"), "'a b/c'"),
        (PurePosixPath("x"), "'x'"),
        (Color.red, "'red'"),
        (np.float64(0.1), "0.1"),
        (np.int64(3), "3"),
        ((1, 2), "[1,2]"),
        (1e-05, "1e-05"),
        (True, "true"),
    ],
)
def test_other_types(value: Any, text: str):
    assert literal(value, "option") == text


def test_sections_and_choices():
    options = {"model": {"name": "dbnet", "size": 640}, "logger": ["csv"], "seed": 3}
    options |= {"dataset": {"parts": {"a": {"weight": 2}}}}
    assert overrides_of(["exp_name=x"], options) == [
        *("exp_name=x", "model='dbnet'", "++model.size=640", "logger=['csv']", "seed=3"),
        "++dataset.parts.a.weight=2",
    ]


def test_a_run_holds_what_was_passed():
    run = ocr.check(
        model={"name": "crnn", "max_width": 512},
        dataset={
            "name": "concat",
            "parts": {"one": {"dataset": {"name": "words", "root": "it's, {a} [b]\\"}}},
        },
        optimizer={"name": "sgd", "lr": 1e-05},
        trainer={"max_epochs": 5, "limit_val_batches": None},
        charset={"characters": "a, '\"{}[]=:\\ $#"},
        logger=["csv"],
        exp_name="a name, with commas",
        early_stopping={"enabled": True},
    )
    assert (run.model.name, run.model.max_width, run.optimizer.name, run.optimizer.lr) == (
        "crnn",
        512,
        "sgd",
        1e-05,
    )
    assert run.dataset.parts["one"].dataset.root == Path("it's, {a} [b]\\")
    assert run.charset.characters == "a, '\"{}[]=:\\ $#"
    assert (run.exp_name, list(run.logger), run.early_stopping.enabled) == (
        "a name, with commas",
        ["csv"],
        True,
    )
    assert (run.trainer.max_epochs, run.trainer.limit_val_batches) == (5, None)


@pytest.mark.parametrize(
    ("words", "options", "message"),
    [
        (
            [],
            {"trainer": {"max_epoch": 5}},
            "there is no option 'trainer.max_epoch'. Did you mean 'trainer.max_epochs'?",
        ),
        ([], {"traner": {"max_epochs": 5}}, "there is no option 'traner'. Did you mean 'trainer'?"),
        ([], {"traner": 5}, "there is no option 'traner'"),
        ([], {"seed": object()}, "seed: a value of type object cannot be an option"),
        ([], {"data": {"a.b": 1}}, "data: 'a.b' cannot be the name of an option"),
        ([], {"data": {3: 1}}, "data: 3 cannot be the name of an option"),
        ([], {"model": "dbnt"}, "no model plugin named 'dbnt' is installed. Did you mean 'dbnet'?"),
        ([{"seed": 1}], {}, "an override is a string, as in 'seed=1', not {'seed': 1}"),
        ([], {"model": {"_target_": "os.system"}}, "names code to run, which is not allowed"),
    ],
)
def test_what_cannot_be_is_refused(words: list[Any], options: dict[str, Any], message: str):
    with pytest.raises(ocr.OcrTrainerError) as caught:
        ocr.check(*words, **options)
    assert message in str(caught.value)
