"""What is installed with us: versions without known holes, licences that anybody can live with, no stray files."""

from __future__ import annotations

import re
import subprocess
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
PROJECTS = [ROOT / "pyproject.toml", *sorted(ROOT.glob("plugins/*/pyproject.toml"))]

# torch: weights_only=True ran code (CVE-2025-32434 before 2.6, CVE-2026-24747 before 2.10). lightning: 2.6.2 and
# 2.6.3 were malware, and load_from_checkpoint ran code before 2.6.6. Those below 2.13 are not tested here.
FLOORS = {"torch": "2.13", "lightning": "2.6.6"}
BAD = {
    "torch": ["1.13.1", "2.5.1", "2.9.1", "2.10.0", "2.12.0"],
    "lightning": ["2.5.0", "2.6.1", "2.6.2", "2.6.3", "2.6.5", "3.0.0"],
}
RESTRICTED = re.compile(
    r"(?<!L)\bA?GPL|Affero|(?<!Lesser )General Public|Non-?Commercial|\bNC\b|SSPL|\bBUSL|Proprietary", re.I
)


def project(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def asked(path: Path) -> list[Requirement]:
    table = project(path)["project"]
    extras = [word for words in table.get("optional-dependencies", {}).values() for word in words]
    return [Requirement(word) for word in [*table["dependencies"], *extras]]


def test_case_53_nothing_with_a_known_hole_satisfies_any_of_our_projects():
    found = [(path, r) for path in PROJECTS for r in asked(path) if r.name in FLOORS]
    assert {r.name for path, r in found if path == PROJECTS[0]} == set(FLOORS)
    loose = [
        (path.parent.name, str(r), version)
        for path, r in found
        for version in BAD[r.name]
        if r.specifier.contains(version, prereleases=True)
    ]
    assert loose == []
    # What is asked for can be had: what is installed here.
    installed = {name: Version(distribution(name).version).base_version for name in FLOORS}
    assert [str(r) for _, r in found if not r.specifier.contains(installed[r.name])] == []


def test_case_53_what_uses_torch_or_lightning_asks_for_it():
    silent = []
    for path in PROJECTS[1:]:
        sources = (file.read_text(encoding="utf-8") for file in path.parent.glob("ocr_trainer_*/**/*.py"))
        used = set(re.findall(r"^\s*(?:from|import) (torch|lightning)\b", "\n".join(sources), re.MULTILINE))
        silent += [(path.parent.name, name) for name in used - {r.name for r in asked(path)}]
    assert silent == []


def test_case_53_constraints_are_no_looser():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = [line for line in lines if line and not line.startswith("#")]
    pinned += project(PROJECTS[0])["tool"]["uv"]["constraint-dependencies"]
    requirements = [Requirement(line) for line in pinned]
    assert "torch" in {r.name for r in requirements}
    for r in requirements:
        assert [s.operator for s in r.specifier] == ["=="], r
        if r.name in FLOORS:
            assert SpecifierSet(f">={FLOORS[r.name]}").contains(next(iter(r.specifier)).version)


def installed_with_us() -> dict[str, Distribution]:
    """Everything that installing our projects brings, as far as it is installed here."""
    waiting, found = [project(path)["project"]["name"] for path in PROJECTS], dict[str, Distribution]()
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:  # a plugin that is not installed here
            continue
        needs = map(Requirement, found[name].requires or ())
        waiting += [r.name for r in needs if r.marker is None or r.marker.evaluate({"extra": ""})]
    return found


def license(found: Distribution) -> str:
    metadata = found.metadata
    classifiers = [c for c in metadata.get_all("Classifier") or [] if c.startswith("License ::")]
    # Some give the whole text, with the licenses of what their wheels bundle; its first line says which it is.
    first, *_ = (metadata["License"] or "").splitlines() or [""]
    return " | ".join(filter(None, [metadata["License-Expression"], first, *classifiers]))


def test_case_71_every_licence_is_known_and_restricts_nobody():
    found = {name: license(entry) for name, entry in installed_with_us().items()}
    assert {"torch", "lightning", "hydra-core", "numpy", "stevedore"} <= set(found)
    assert [name for name, text in found.items() if not text] == []
    assert {name: text for name, text in found.items() if RESTRICTED.search(text)} == {}


def test_case_71_a_restrictive_licence_would_be_found():
    refused = [
        "GPL-3.0",
        "AGPL-3.0-only",
        "License :: OSI Approved :: GNU Affero",
        "CC-BY-NC-4.0",
        "SSPL-1.0",
    ]
    assert [text for text in refused if not RESTRICTED.search(text)] == []
    fine = ["LGPL-2.1", "GNU Lesser General Public License v2", "MPL-2.0", "OLDAP-2.8", "BSD-3-Clause"]
    assert [text for text in fine if RESTRICTED.search(text)] == []


def test_case_71_wheels_are_made_of_no_file_that_git_ignores():
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("this is no checkout")
    known = set(listed.stdout.split("\0"))
    packages = [ROOT / "ocr_trainer", ROOT / "configs", *ROOT.glob("plugins/*/ocr_trainer_*")]
    files = {
        p for folder in packages for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts
    }
    names = {path.relative_to(ROOT).as_posix() for path in files if ".egg-info" not in str(path)}
    assert len(names) > 100
    assert sorted(names - known) == []
