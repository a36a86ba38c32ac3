"""Whatever a YAML file can hold, as a key or as a value, gets a run or one message: never a traceback."""

from __future__ import annotations

import datetime
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ocr_trainer.config.compose import compose, run_hydra
from ocr_trainer.config.plain_data import check_plain, parse_yaml
from ocr_trainer.config.renames import upgrade_saved
from ocr_trainer.config.schema import RunConfig, plain
from ocr_trainer.errors import ConfigError, OcrTrainerError
from ocr_trainer.runs.resume import saved_config

NESTED = "${" * 300 + "seed" + "}" * 300
SCALARS = [
    *(
        "null",
        "~",
        "",
        "true",
        "no",
        "on",
        "0",
        "-1",
        "0o17",
        "0x1F",
        "1_000",
        "1.5",
        "1e400",
        ".nan",
        ".inf",
    ),
    *("12:30:45", "2026-11-23", "2026-11-23T10:20:30.5Z", "9999-99-99", "9" * 5000, "=", "<<", "???", "''"),
    *('"\\0"', '"\\ud800"', '"\\e[31m"', '"\\u202Ea"', "a.b", "a b", "_target_", "defaults", "hydra", "name"),
    *("!!set {a, b}", '!!binary "aGk="', "!!omap [a: 1]", "!!pairs [a: 1]", "!!timestamp 2001-01-01", "!x y"),
    *(
        "!!int ''",
        "!!float x",
        "!!int x",
        "!!null 1",
        "!!bool x",
        "!!timestamp x",
        "!!str",
        "!!map {}",
        "!!seq []",
    ),
    *("!!python/name:os.system", "!!python/tuple [1]", "[]", "{}", "[[[]]]", "{a: {b: {c: d}}}", "[null]"),
    *(
        "${",
        "${}",
        "${seed}",
        "${nope}",
        "${nope:1}",
        "${oc.env:HOME}",
        "${oc.env:'A B'}",
        "${oc.select:seed}",
    ),
    *(f"'{NESTED}'", f"'${{oc.env:{'[' * 400}{']' * 400}}}'", "&a [*a]", "&b {b: *b}", "*nope"),
]
"""Of each type that YAML 1.1 has, and of each kind that PyYAML and OmegaConf stumble over."""
PLACES = [
    *("", "model", "dataset", "logger", "optimizer", "trainer", "augment", "augment.steps", "data", "seed"),
    *(
        "exp_name",
        "model.backbone",
        "model.name",
        "callback",
        "metric",
        "augment.scale",
        "dataset.text",
        "init_from",
    ),
    *(
        "output_dir",
        "resume",
        "distributed",
        "trainer.devices",
        "logger.csv",
        "checkpoint.monitor",
        "trainer.max_time",
    ),
]
values = st.recursive(
    st.sampled_from(SCALARS) | st.text(max_size=8).map(json.dumps),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.lists(st.tuples(inner, inner), max_size=3).map(
            lambda pairs: "{" + ", ".join(f"? {key} : {value}" for key, value in pairs) + "}"
        )
    ),
    max_leaves=4,
)
many = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    words = ["model=dbnet", "dataset=synthetic", "logger=[csv]"]
    return plain(compose(words))  # type: ignore[no-any-return]


def spoiled(config: dict[str, Any], place: str, key: str | None, value: str) -> str:
    """Return a configuration as YAML, with a section replaced, or with a key of it added."""
    sections = place.split(".") if place else []
    text = ""
    inner = f"{{? {key} : {value}}}" if key is not None else value
    for name in reversed(sections):
        inner = f"{{{name}: {inner}}}"
    for name, section in config.items():
        if not sections or name != sections[0]:
            text += f"{name}: {json.dumps(section)}\n"
        elif len(sections) > 1:
            text += f"{name}: {json.dumps({k: v for k, v in section.items() if k != sections[1]})[:-1]}, "
            text += f"{inner[len(sections[0]) + 3 : -1]}}}\n".lstrip("{")
        elif key is not None and isinstance(section, dict) and section:
            text += f"{name}: {json.dumps(section)[:-1]}, ? {key} : {value}}}\n"
        else:
            text += f"{name}: {inner}\n"
    return text if sections else text + f"? {key} : {value}\n"


def ends_well(act: Any) -> str:
    """Return the message with which something is refused; empty if it is not."""
    try:
        act()
    except OcrTrainerError as error:
        message = str(error)
        assert message
        for internal in ("Traceback", "omegaconf", "object has no attribute", "NoneType", "ANTLR", "_saved"):
            assert internal not in message, message
        assert len(message) < 3000
        return message
    return ""


@many
@given(place=st.sampled_from(PLACES), key=st.none() | values, value=values)
@example(place="", key="null", value="1")
@example(place="trainer", key="2026-11-23", value="1")
@example(place="exp_name", key=None, value=f"'{NESTED}'")
@example(place="model", key=None, value="!!set {a, b}")
def test_any_yaml_in_the_config_of_a_run_folder(
    tmp_path: Path, config: dict[str, Any], place: str, key: str | None, value: str
):
    (tmp_path / "config.yaml").write_bytes(
        spoiled(config, place, key, value).encode("utf-8", "surrogatepass")
    )
    ends_well(lambda: compose([], saved_config(tmp_path)))


@many
@given(place=st.sampled_from(PLACES), key=st.none() | values, value=values)
@example(place="", key="null", value="1")
@example(place="trainer", key="2026-11-23", value="1")
@example(place="exp_name", key=None, value=f"'{NESTED}'")
@example(place="defaults", key=None, value="[null]")
def test_any_yaml_in_the_folder_of_config_dir(place: str, key: str | None, value: str):
    inner = f"{{? {key} : {value}}}" if key is not None else value
    for name in reversed(place.split(".") if place else []):
        inner = f"{{{name}: {inner}}}"

    def fail(error: OcrTrainerError) -> None:
        raise error

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "experiment", "mine.yaml")
        file.parent.mkdir()
        file.write_bytes(f"# @package _global_\n{inner}\n".encode("utf-8", "surrogatepass"))
        words = ["--config-dir", folder, "experiment=mine", f"hydra.run.dir={folder}/out"]
        ends_well(lambda: run_hydra(lambda run: None, fail, words))


python_values = st.recursive(
    st.sampled_from(
        [None, True, 0, -1, 2**70, 1.5, float("nan"), float("inf"), "", "a", "${seed}", NESTED, b"a", 1j, ...]
    )
    | st.sampled_from(
        [datetime.date(2026, 11, 23), {1, 2}, frozenset("a"), (1, 2), range(3), object, Path("a")]
    )
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.binary(max_size=3),
            inner,
            max_size=3,
        )
    ),
    max_leaves=5,
)


@many
@given(
    place=st.sampled_from(PLACES), key=st.none() | st.integers() | st.text(max_size=4), value=python_values
)
@example(place="", key=None, value={None: 1})
@example(place="model", key="x", value=(1, 2))
def test_any_values_in_the_configuration_of_a_checkpoint(
    config: dict[str, Any], place: str, key: Any, value: Any
):
    saved = json.loads(json.dumps(config))
    section = saved
    *parents, last = place.split(".")
    for name in parents:
        section = section[name]
    section[last] = {**section[last], key: value} if isinstance(section.get(last), dict) and key else value
    ends_well(lambda: compose([], upgrade_saved(saved, "the checkpoint")))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("null: 1", "mine: the key null is null, but a key is a text\n"),
        ("a: {2026-11-23: x}", None),
        ("a: {!!timestamp 2026-11-23: x}", "mine: the key 2026-11-23 of a is a date, but a key is a text\n"),
        ("{1: x}", "mine: the key 1 is a number, but a key is a text\n"),
        ("on: x", "mine: the key True is a truth value, but a key is a text\n"),
        ("a: !!timestamp 2026-11-23", "mine: a is a date, which no option can be\n"),
        ("a: 2026-11-23", None),
        ("a: !!set {b, c}", "mine: a is a set, which no option can be"),
        ('a: !!binary "aGk="', "mine: a is bytes, which no option can be"),
        ("a: !!omap [b: 1]", "mine: a.0 is a tuple, which no option can be"),
        ("a: &a [*a]", "mine nests its values too deeply: at most 32 within each other"),
        (f"a: '{NESTED}'", "mine: a nests interpolations too deeply: at most 8"),
        ("[1, 2]", "mine must hold options, each as KEY: VALUE; it holds a list"),
        ("a: [1\nb: 2", "mine is not valid YAML (line 2): "),
        ("a: !!int ''", "mine is not valid YAML: "),
        ("a: 1\nb:\n  c: 1\n  c: 2", "mine is not valid YAML (line 4): the key c is there twice"),
        ("a: &a {b: 1, c: 2}\nd:\n  <<: *a\n  b: 3\ne: [*a, *a]", None),
        ("a: !x y", "mine is not valid YAML (line 1): "),
        ("a: " + "[" * 5000 + "]" * 5000, "mine nests its values too deeply"),
        ("a: " + "9" * 4000, "mine: a has a number with too many digits"),
    ],
    ids=lambda text: str(text)[:24],
)
def test_the_message_says_what_it_is_and_where(text: str, message: str | None):
    def read() -> None:
        check_plain(parse_yaml(text, "mine"), "mine")

    if message is None:
        read()
        return
    with pytest.raises(ConfigError) as caught:
        read()
    assert str(caught.value).startswith(message)


def test_what_a_run_saves_is_read_as_it_was(config: dict[str, Any], tmp_path: Path):
    run: RunConfig = compose(["model=dbnet", "dataset=synthetic", "logger=[csv]", "exp_name='2026-11-23'"])
    (tmp_path / "config.yaml").write_text(str(run))
    assert saved_config(tmp_path) == plain(run)
