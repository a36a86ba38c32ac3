"""Fuzz the readers of annotations, guided by coverage: `python fuzz_readers.py [READER…]`.

Each runs in a process of its own for OCR_TRAINER_FUZZ_SECONDS (600). A finding is an exception that is not
the readers' own, a ledger that does not add up, a signal, 20 s without an answer, or a gigabyte of memory.
What led to it lies in the folder that is named.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

SECONDS = int(os.environ.get("OCR_TRAINER_FUZZ_SECONDS", "600"))
MEMORY = 1000
"""Megabytes."""
LONGEST = 8192
"""Bytes of an annotation; a database has more pages than that."""
OURS = [
    "ocr_trainer",
    *(f"ocr_trainer_{name}" for name in ["icdar", "json", "lmdb", "scenetext", "ufo", "words", "xml"]),
]


def fuzz(name: str, folder: Path) -> None:
    """Fuzz a reader until its time is over; never returns."""
    import atheris

    with atheris.instrument_imports(include=OURS):
        from formats.test_readers_fuzz import read
        from helpers.mutations import mutate
        from helpers.readers import READERS

        reader = READERS[name]
        reader.lay(folder / "data")
        reader.read(folder / "data", reader.valid)  # imports the reader itself

    def mutated(data: bytes, size: int, seed: int) -> bytes:
        rng = random.Random(seed)
        return atheris.Mutate(data, size) if data and rng.random() < 0.3 else mutate(data, rng)[:size]

    (folder / "corpus").mkdir()
    (folder / "corpus" / "valid").write_bytes(reader.valid)
    words = [
        *(sys.argv[0], str(folder / "corpus"), f"-max_total_time={SECONDS}", f"-rss_limit_mb={MEMORY}"),
        *(f"-max_len={max(LONGEST, 2 * len(reader.valid))}", "-timeout=20", "-print_final_stats=1"),
        f"-artifact_prefix={folder}/",
    ]
    atheris.Setup(words, lambda data: read(reader, folder / "data", data), custom_mutator=mutated)
    atheris.Fuzz()


def report(name: str) -> bool:
    """Fuzz a reader in a process of its own, print what came out, and tell whether nothing was found."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    paths = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, __file__, "--in", str(folder), name],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=SECONDS + 90,
        check=False,
    )
    stats = {key: int(value) for key, value in re.findall(r"stat::(\w+):\s+(\d+)", done.stderr)}
    counts = f"{stats.get('number_of_executed_units', 0)} executions, {stats.get('peak_rss_mb', 0)} MB"
    if done.returncode == 0:
        print(f"{name}: {counts}, no finding", flush=True)
        return True
    print(f"{name}: {counts}, exit status {done.returncode}; see {folder}\n{done.stderr[-4000:]}", flush=True)
    return False


if __name__ == "__main__":
    if sys.argv[1:2] == ["--in"]:
        fuzz(sys.argv[3], Path(sys.argv[2]))
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from helpers.readers import READERS

    found = [name for name in sys.argv[1:] or READERS if not report(name)]
    sys.exit(bool(found))
