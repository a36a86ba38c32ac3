"""The reader against the library: equal on whole files; on damaged files, it raises where the library crashes."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
from pathlib import Path

import lmdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ocr_trainer_lmdb.tree import Tree

FOLDER = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def write(folder: Path, content: dict[bytes, bytes], gone: list[bytes]) -> Path:
    """Write a file in many transactions, so that pages are split, freed and reused."""
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


LIBRARY = """
import os, sys, lmdb
folder, step = sys.argv[1:]
file = os.path.join(folder, "data.mdb")
with lmdb.open(folder, readonly=True, lock=False, readahead=False) as environment:
    assert (environment.info()["last_pgno"] + 1) * environment.stat()["psize"] <= os.path.getsize(file)
    if step == "truncate":
        os.truncate(file, 2 * environment.stat()["psize"])
    with environment.begin() as view:
        assert len(view.get(b"image-1"))
"""
"""What a plugin on top of the library would do: check the size, then read."""


@pytest.mark.parametrize("damage", ["truncate", "flip"])
def test_the_library_crashes_where_this_reader_raises(tmp_path: Path, damage: str) -> None:
    """A file truncated after it was opened, and one bit in the size of a value. Both pass a check of the size.

    The first stands for I/O errors as well, such as those of a network file system: the library's memory map
    turns them into SIGBUS.
    """
    file = write(tmp_path / "a", {b"image-1": b"v" * 9000}, [])
    if damage == "flip":
        data = bytearray(file.read_bytes())
        node = data.rindex(b"image-1") - 8
        assert struct.unpack_from("=HHHH", data, node) == (9000, 0, 1, 7)
        data[node + 3] ^= 1 << 6  # 2**30 bytes more
        file.write_bytes(data)
    tree = Tree(file)
    program = f"import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)){LIBRARY}"
    done = subprocess.run([sys.executable, "-c", program, str(file.parent), damage], capture_output=True)
    assert -done.returncode in (signal.SIGBUS, signal.SIGSEGV), done.stderr
    if damage == "truncate":
        assert file.stat().st_size == 2 * os.sysconf("SC_PAGE_SIZE")
    with pytest.raises(ValueError, match=r"page \d is cut off|a value has 1,073,750,824 bytes"):
        tree.get(b"image-1")
