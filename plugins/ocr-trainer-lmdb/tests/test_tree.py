"""The reader against the library, which wrote the files; and damaged ones, on which that may crash."""

from __future__ import annotations

from pathlib import Path

import lmdb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ocr_trainer_lmdb.tree import Tree

FOLDER = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def write(folder: Path, content: dict[bytes, bytes], gone: list[bytes]) -> Path:
    """Write a file by many changes, so that pages are split, freed and used again."""
    folder.mkdir(exist_ok=True)
    for file in folder.iterdir():
        file.unlink()
    with lmdb.open(str(folder), map_size=1 << 26) as environment:
        keys = list(content)
        for place in range(0, max(1, len(keys)), 50):
            with environment.begin(write=True) as view:
                for key in keys[place : place + 50]:
                    view.put(key, content[key])
        with environment.begin(write=True) as view:
            for key in gone:
                view.delete(key)
    return folder / "data.mdb"


contents = st.dictionaries(
    st.binary(min_size=1, max_size=12) | st.binary(min_size=100, max_size=500),
    st.binary(max_size=40) | st.integers(1000, 20_000).map(lambda size: b"v" * size),
    max_size=300,
)


@settings(FOLDER, max_examples=60)
@given(contents, st.randoms(use_true_random=False), st.binary(min_size=1, max_size=6))
def test_every_file_is_read_as_the_library_reads_it(tmp_path: Path, content, rng, start: bytes) -> None:
    gone = rng.sample(list(content), rng.randrange(len(content) + 1) // 2)
    tree = Tree(write(tmp_path / "a", content, gone))
    left = dict(sorted((key, value) for key, value in content.items() if key not in gone))
    assert {entry.key: tree.value(entry) for entry in tree.entries(b"")} == left
    assert [entry.key for entry in tree.entries(start)] == [key for key in left if key >= start]
    assert {key: tree.get(key) for key in [*content, start]} == {
        key: left.get(key) for key in [*content, start]
    }


def test_a_deep_tree(tmp_path: Path) -> None:
    content = {b"key-%0400d" % number: b"%d" % number for number in range(3000)}
    tree = Tree(write(tmp_path / "a", content, []))
    assert [tree.value(entry) for entry in tree.entries(b"")] == [b"%d" % number for number in range(3000)]
    assert tree.get(b"key-%0400d" % 2999) == b"2999"
