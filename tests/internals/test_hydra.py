"""What `ocr_trainer.internals.hydra` relies on is where it was, and does what it did."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra._internal.utils import create_config_search_path
from hydra.types import RunMode
from omegaconf import OmegaConf
from omegaconf.basecontainer import BaseContainer
from omegaconf.errors import UnsupportedInterpolationType

from ocr_trainer.internals.hydra import ConfigLoader, only_resolvers, resolver_calls
from ocr_trainer.internals.hydra import FileConfigSource as Source


@pytest.mark.parametrize(
    ("owner", "name", "user"),
    [
        (ConfigLoaderImpl, "_parse_overrides_and_create_caching_repo", "ConfigLoader"),
        (ConfigLoaderImpl, "_compose_config_from_defaults_list", "ConfigLoader"),
        (FileConfigSource, "_normalize_file_name", "FileConfigSource"),
        (FileConfigSource, "_get_header_dict", "FileConfigSource"),
        (BaseContainer, "_resolvers", "only_resolvers"),
    ],
)
def test_hydra_has_it(owner: type, name: str, user: str):
    assert hasattr(owner, name), f"{owner.__name__}.{name} moved: ocr_trainer.internals.hydra.{user} needs it"


class Recording(ConfigLoader):
    """Notes which hooks are called with what."""

    def __init__(self, folder: Path) -> None:
        super().__init__(create_config_search_path(str(folder)))
        self.calls: list[tuple[str, object]] = []

    def on_overrides(self, overrides: Sequence[str]) -> None:
        self.calls.append(("overrides", list(overrides)))

    def on_parsed(self, sweeps: dict[str, list[str]]) -> None:
        self.calls.append(("parsed", sweeps))

    def on_choices(self, configs: Sequence[str]) -> Sequence[str]:
        self.calls.append(("choices", [config for config in configs if not config.startswith("hydra")]))
        (self.folder / "size" / "small.yaml").write_text("pixels: 2\n")
        return ["size/"]


@pytest.fixture
def loader(tmp_path: Path) -> Recording:
    (tmp_path / "size").mkdir()
    (tmp_path / "main.yaml").write_text("defaults:\n  - size: small\n  - _self_\n")
    (tmp_path / "size" / "small.yaml").write_text("pixels: 1\n")
    recording = Recording(tmp_path)
    recording.folder = tmp_path
    return recording


def test_hooks_are_called_in_order_and_configs_loaded_again(loader: Recording):
    config = loader.load_configuration("main", ["+seed=1,2"], RunMode.MULTIRUN)
    assert loader.calls == [
        ("overrides", ["+seed=1,2"]),
        ("parsed", {"seed": ["1", "2"]}),
        ("choices", ["size/small", "main"]),
    ], "Hydra calls the private methods in another order: see ocr_trainer.internals.hydra.ConfigLoader"
    assert config.size.pixels == 2, "Hydra keeps what it loaded elsewhere than in `repo.cache`"


def test_names_and_headers_of_files():
    assert Source.file_name("size/small") == "size/small.yaml"
    assert Source.header("# @package _global_\nx: 1\n") == {"package": "_global_"}
    assert Source.header("x: 1\n") == {"package": None}


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("a/${oc.env:A}/${ own.x : 1, 2 }", [("oc.env", "A"), ("own.x", "1")]),
        ("${oc.env:A,${oc.env:'B'}}", [("oc.env", "A"), ("oc.env", "'B'")]),
        ("${oc.env:${own.x:1}}", [("oc.env", "${own.x:1}"), ("own.x", "1")]),
        ("${${a}.${b}:C}", [("${a}.${b}", "C")]),
        ("${own.x:}", [("own.x", "")]),
        ("${a.${b}}", []),
        (r"\${oc.env:A}", []),
        ("${oc.env:A", []),
    ],
)
def test_resolvers_that_a_text_calls(text: str, calls: list[tuple[str, str]]):
    assert sorted(resolver_calls(text)) == sorted(calls)


def test_only_the_named_resolvers_are_left():
    config = OmegaConf.create({"a": "${own.twice:3}", "b": "${oc.env:HOME}", "c": "${oc.select:d,4}", "d": 5})
    with only_resolvers(["oc.select"], own__twice=lambda value: 2 * value):
        assert (config.a, config.c) == (6, 5)
        with pytest.raises(UnsupportedInterpolationType):
            _ = config.b
    assert config.b
    with pytest.raises(UnsupportedInterpolationType):
        _ = config.a
