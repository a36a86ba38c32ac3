"""The versions that the private parts were tried with agree with the ranges of pyproject.toml."""

from __future__ import annotations

import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from ocr_trainer.internals import TRIED

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RANGES = {
    requirement.name: requirement.specifier for requirement in map(Requirement, PROJECT["dependencies"])
}


@pytest.mark.parametrize("library", TRIED)
def test_the_range_is_what_was_tried(library: str):
    oldest, newest = TRIED[library]
    bounds = {bound.operator: Version(bound.version) for bound in RANGES[library]}
    assert bounds.keys() == {">=", "<"}
    assert Version(oldest).release[:2] == bounds[">="].release[:2]
    assert Version(oldest) >= bounds[">="]
    # The first minor version that was not tried is excluded.
    major, minor = Version(newest).release[:2]
    assert bounds["<"] == Version(f"{major}.{minor + 1}")


@pytest.mark.parametrize("library", TRIED)
def test_the_installed_version_is_one_that_was_tried(library: str):
    oldest, newest = map(Version, TRIED[library])
    found = Version(Version(version(library)).base_version)
    assert oldest <= found, f"{library} {found} is older than what ocr_trainer.internals was tried with"
    assert found.release[:2] <= newest.release[:2], f"{library} {found} is newer: try it, and add it to TRIED"
