"""The `ocr-train test` and `ocr-train predict` commands."""

from __future__ import annotations

import re
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_trainer.errors import CheckpointError, ConfigError
from ocr_trainer.plugin import Config, Kind, ModelPlugin, Task, WriterPlugin, discovery
from ocr_trainer.runs import timing

if TYPE_CHECKING:
    from ocr_trainer.config.schema import RunConfig

TESTED = (
    *("logger=[]", "checkpoint.monitor=null"),
    *("trainer.limit_test_batches=null", "trainer.accelerator=auto", "trainer.devices=1"),
)
"""Resets options of training that do not apply to the test."""

Saved = dict[str, Any]
"""What a checkpoint holds."""


def test(words: Sequence[str], create_run_dir: Callable[[RunConfig], Path]) -> int:
    """Score a checkpoint, or two end to end; `create_run_dir` makes the folder of the report."""
    parser = ArgumentParser("ocr-train test", description="Score a checkpoint on the test split.")
    parser.add_argument("checkpoint", help="a .ckpt file that ocr-train wrote")
    parser.add_argument("overrides", nargs="*", help="such as dataset=sroie dataset.root=DIR model.size=1024")
    parser.add_argument("--benchmarks", metavar="DIR", help="score a recognizer on each dataset in a folder")
    _add_recognizer(parser)
    arguments = parser.parse_intermixed_args(words)
    timer = timing.PhaseTimer()
    if arguments.benchmarks is not None:
        return _benchmarks(arguments, create_run_dir, timer)
    overrides, reading = _split_recognizer_overrides(arguments, arguments.overrides)
    saved, second = _read_checkpoints("test", arguments.checkpoint, arguments.recognizer)
    run = _compose_run(saved, [*TESTED, *overrides])
    _refuse_no_test(run)
    if second is None:
        folder = create_run_dir(run)
        from ocr_trainer.evaluation.test import test as score

        score(run, saved, arguments.checkpoint, folder, timer)
        return 0
    recognizer = _compose_model(second, reading)
    folder = create_run_dir(run)
    from ocr_trainer.evaluation.end_to_end import Checkpoint, score_end_to_end

    score_end_to_end(
        Checkpoint(arguments.checkpoint, run, saved),
        Checkpoint(arguments.recognizer, recognizer, second),
        arguments.margin,
        folder,
        timer,
    )
    return 0


def _benchmarks(
    arguments: Namespace, create_run_dir: Callable[[RunConfig], Path], timer: timing.PhaseTimer
) -> int:
    """Score a recognizer on each dataset of a folder."""
    if arguments.recognizer is not None:
        raise ConfigError("--benchmarks takes a recognizer's checkpoint alone, without --recognizer")
    _split_recognizer_overrides(arguments, arguments.overrides)
    saved, folder = _read_checkpoint(arguments.checkpoint), Path(arguments.benchmarks).expanduser()
    if _task_of(saved) is not Task.recognition:
        raise CheckpointError(
            f"--benchmarks is for recognizers; {arguments.checkpoint} finds text: model={_model_name(saved)}"
        )
    sets = _find_benchmarks(folder)
    # A dataset without a test split is used as a whole.
    whole = ["dataset.val_share=0", "dataset.test_share=0", *TESTED, *arguments.overrides]
    runs = {
        path.name: _compose_run(saved, [f"dataset={reader}", f"dataset.root={_quoted(path)}", *whole])
        for path, reader in sets.items()
    }
    _refuse_no_test(next(iter(runs.values())))
    timer.end("compose")
    from ocr_trainer.evaluation.benchmarks import benchmark

    benchmark(runs, saved, arguments.checkpoint, create_run_dir(next(iter(runs.values()))), timer)
    return 0


def _refuse_no_test(run: RunConfig) -> None:
    if run.trainer.limit_test_batches == 0:
        raise ConfigError("trainer.limit_test_batches=0 leaves nothing to test")


def _quoted(path: Path) -> str:
    """Quote a path for Hydra's override grammar."""
    # Hydra treats a backslash as an escape only before a quote.
    inside = re.sub(r"(\\*)('|$)", lambda found: 2 * found[1] + found[2].replace("'", "\\'"), str(path))
    return f"'{inside}'"


def _find_benchmarks(folder: Path) -> dict[Path, str]:
    """Return the datasets in a folder, and for each the plugin that reads it."""
    if not folder.is_dir():
        raise ConfigError(f"--benchmarks: there is no folder '{folder}'")
    readable = set(discovery.datasets_for(Task.recognition))
    found = {}
    for path in sorted(path for path in folder.iterdir() if path.is_dir()):
        if readers := [name for name in discovery.matching_datasets(path) if name in readable]:
            found[path] = readers[0]
        else:
            print(f"ocr-train: skipped {path}: no plugin can read it as a dataset", file=sys.stderr)
    if not found:
        raise ConfigError(
            f"--benchmarks: '{folder}' holds no folder with texts that a plugin can read\n"
            "  expected: one folder per dataset, such as IIIT5k/ and SVT/, each an LMDB or a list of words"
        )
    return found


def predict(words: Sequence[str]) -> int:
    """Find text in images, read it, or both."""
    parser = ArgumentParser("ocr-train predict", description="Find text in images, and read it.")
    parser.add_argument("checkpoint", help="a detector's .ckpt file, or a recognizer's for images of words")
    parser.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE",
        help="images, folders, patterns such as 'scans/*.png'; and overrides such as model.size=1024",
    )
    _add_recognizer(parser)
    parser.add_argument("--out", default="predictions", metavar="DIR", help="output folder")
    parser.add_argument(
        "--format",
        metavar="LIST",
        help="names of writer plugins, with commas: ocr-train list-plugins writer; json,text,overlay "
        "if not given, json,overlay without a recognizer; writer.NAME.KEY=VALUE sets their options",
    )
    arguments = parser.parse_intermixed_args(words)
    others, reading = _split_recognizer_overrides(arguments, arguments.images)
    overrides = [word for word in others if word.startswith("model.") and "=" in word]
    options = [word for word in others if word.startswith("writer.") and "=" in word]
    named = [word for word in others if word not in overrides and word not in options]
    for word in named:
        if "=" in word and not Path(word).exists():
            raise ConfigError(
                f"'{word}' is not an image, and predict accepts only options of model.… and writer.…"
            )
    from ocr_trainer.cli.inputs import given_images

    images, out = given_images(named), Path(arguments.out)
    saved, second = _read_checkpoints("predict", arguments.checkpoint, arguments.recognizer)
    pages = _task_of(saved) is Task.detection
    formats = _formats(arguments.format, options, pages, second is not None)
    run = _compose_model(saved, overrides)
    recognizer = (_compose_model(second, reading), second) if second is not None else None
    from ocr_trainer.evaluation import predict as predicting

    if pages:
        predicting.predict(run, saved, images, out, recognizer, formats, arguments.margin)
    else:
        predicting.predict_texts(run, saved, images, out)
    return 0


def _add_recognizer(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--recognizer",
        metavar="CKPT",
        help="a recognizer's .ckpt file, to read the detected text; recognizer.KEY=VALUE sets its options",
    )
    parser.add_argument(
        "--margin",
        type=float,
        help="margin around each cropped text, as a fraction of its height; as in the recognizer's training "
        "if not given",
    )


def _split_recognizer_overrides(arguments: Namespace, words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split the arguments into all others and the overrides of the recognizer's model."""
    prefix = "recognizer."
    own = [word for word in words if word.startswith(prefix) and "=" in word]
    margin = arguments.margin
    if arguments.recognizer is None and (own or margin is not None):
        word = own[0] if own else "--margin"
        raise ConfigError(f"{word} needs a recognizer: add --recognizer CKPT")
    if margin is not None and not 0 <= margin <= 1:
        raise ConfigError(f"--margin must be at least 0 and at most 1, not {margin:g}")
    others = [word for word in words if word not in own]
    return others, [f"model.{word.removeprefix(prefix)}" for word in own]


def _formats(listed: str | None, options: Sequence[str], pages: bool, read: bool) -> dict[str, Config]:
    """Return the options of each requested format of result files, by the name of its writer plugin.

    Args:
        listed: The names, with commas; None for the usual ones.
        options: Words such as `writer.NAME.KEY=VALUE`.
        pages: Whether the images are pages rather than words.
        read: Whether there is a recognizer.
    """
    if not pages and (listed is not None or options):
        raise ConfigError(
            f"{'--format' if listed is not None else options[0]} is for pages, which takes a detector's "
            "checkpoint before --recognizer; images of words give readings.jsonl and readings.tsv"
        )
    from ocr_trainer.config.plugin_options import plugin_options

    names = _usual_formats(read) if listed is None else [name.strip() for name in listed.split(",")]
    given: dict[str, list[str]] = {name: [] for name in names}
    for word in options:
        name, _, option = word.removeprefix("writer.").partition(".")
        own = [known for known in names if known.rpartition(":")[2] == name]
        if not own:
            chosen = ",".join(known.rpartition(":")[2] for known in names)
            raise ConfigError(f"{word} is for --format {name}; the formats are {chosen}")
        given[own[0]].append(option)
    formats = {name: plugin_options(Kind.writer, name, words) for name, words in given.items()}
    for name in formats:
        writer = discovery.load(Kind.writer, name)
        assert isinstance(writer, WriterPlugin)
        if writer.needs_text and not read:
            raise ConfigError(f"--format {name} needs a recognizer: add --recognizer CKPT")
    return formats


def _usual_formats(read: bool) -> list[str]:
    # By their full names: a plugin of another distribution may have the same one.
    return [f"ocr-trainer:{name}" for name in (("json", "text", "overlay") if read else ("json", "overlay"))]


def _read_checkpoints(command: str, first: str, second: str | None) -> tuple[Saved, Saved | None]:
    """Read a checkpoint and, where it is given, the recognizer's; refuse them in the wrong place.

    Raises:
        CheckpointError: One is not there, damaged or not from ocr-train, or does the wrong task.
    """
    if second is None:
        return _read_checkpoint(first), None
    pair = _read_checkpoint(first), _read_checkpoint(second)
    tasks = [_task_of(saved) for saved in pair]
    if tasks == [Task.detection, Task.recognition]:
        return pair
    does = {Task.detection: "finds", Task.recognition: "reads"}
    lines = ["the first checkpoint must find text, and that of --recognizer must read it, but"]
    for path, saved, task in zip((first, second), pair, tasks, strict=True):
        lines.append(f"  {path} {does[task]} text: model={_model_name(saved)}")
    if tasks == [Task.recognition, Task.detection]:
        lines.append(f"  swap them: ocr-train {command} {second} … --recognizer {first}")
    raise CheckpointError("\n".join(lines))


def _read_checkpoint(checkpoint: str) -> Saved:
    """Read a checkpoint."""
    if not Path(checkpoint).is_file():
        raise CheckpointError(f"there is no checkpoint {checkpoint}")
    from ocr_trainer.checkpoint.read import read

    return read(checkpoint)


def _model_name(saved: Saved) -> str:
    return str(saved["ocr_trainer"]["config"]["model"]["name"])


def _task_of(saved: Saved) -> Task:
    """Return what the model of a checkpoint does."""
    model = discovery.load(Kind.model, _model_name(saved))
    assert isinstance(model, ModelPlugin)
    return model.task


def _compose_run(saved: Saved, overrides: Sequence[str]) -> RunConfig:
    """Compose the run that a checkpoint is of, with overrides on top."""
    from ocr_trainer.config.compose import compose

    return compose(overrides, saved["ocr_trainer"]["config"])


def _compose_model(saved: Saved, overrides: Sequence[str]) -> RunConfig:
    """Compose the run of a checkpoint without dataset, loggers and metrics, which its model does not need."""
    from ocr_trainer.config.compose import compose

    return compose(["logger=[]", "metric=[]", *overrides], saved["ocr_trainer"]["config"], without_data=True)
