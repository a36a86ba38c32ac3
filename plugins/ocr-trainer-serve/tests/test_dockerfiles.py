"""The Dockerfiles keep the rules that can be checked without a builder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FILES = [ROOT / "Dockerfile", ROOT / "plugins" / "ocr-trainer-serve" / "Dockerfile"]


def instructions(file: Path) -> list[tuple[str, str]]:
    text = re.sub(r"^#.*\n", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE).replace("\\\n", " ")
    return [
        (name, " ".join(rest.split()))
        for name, _, rest in (line.partition(" ") for line in text.splitlines())
        if name
    ]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_the_image_is_pinned_small_and_not_root(file: Path):
    found = instructions(file)
    stages = [at for at, (name, _) in enumerate(found) if name == "FROM"]
    last = found[stages[-1] :]
    (base,) = {rest for name, rest in found if name == "ARG" and rest.startswith("BASE=")}
    assert re.fullmatch(r"BASE=python:3\.\d+\.\d+-slim-\w+", base)
    assert {found[at][1] for at in stages} == {"${BASE} AS build", "${BASE}"}
    assert [rest for name, rest in last if name == "USER"] == ["10001:10001"]
    assert "RUN" not in dict(last), "the last stage only copies, so that nothing of the build is left"
    assert all("--no-cache-dir" in rest for name, rest in found if name == "RUN" and "pip" in rest)
    assert all(rest.startswith("[") for name, rest in found if name in ("ENTRYPOINT", "CMD")), (
        "no shell gets signals"
    )


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_what_is_copied_exists_and_is_not_ignored(file: Path):
    shown = [
        line[1:]
        for line in file.with_name("Dockerfile.dockerignore").read_text().splitlines()
        if line[:1] == "!"
    ]
    copied = [
        rest.split()[:-1] for name, rest in instructions(file) if name == "COPY" and "--from" not in rest
    ]
    paths = {path for several in copied for path in several}
    assert all((ROOT / path).exists() for path in paths)
    assert paths == set(shown)


def test_the_service_answers_a_health_check_and_stops_on_signals():
    found = dict(instructions(FILES[1]))
    assert "/readyz" in found["HEALTHCHECK"]
    assert found["ENTRYPOINT"].startswith('["ocr-serve", "--host", "0.0.0.0"')
