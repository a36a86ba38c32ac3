"""The `ocr-train test` command."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ocr_trainer.api.checkpoints import SwappedError
from ocr_trainer.cli.flags import as_flags
from ocr_trainer.cli.parser import Parser
from ocr_trainer.errors import CheckpointError
from ocr_trainer_runtime.text.visible import echo


def test(words: Sequence[str]) -> int:
    """Score a checkpoint, or two end to end, and print the table."""
    parser = Parser("ocr-train test", description="Score a checkpoint on the test split.")
    parser.add_argument(
        "checkpoint",
        help="a .ckpt file that ocr-train wrote, a run directory, or the name of published weights",
    )
    parser.add_argument("overrides", nargs="*", help="such as dataset=sroie dataset.root=DIR model.size=1024")
    parser.add_argument("--benchmarks", metavar="DIR", help="score a recognizer on each dataset in a folder")
    add_recognizer(parser)
    arguments = parser.parse_intermixed_args(words)
    from ocr_trainer.api.evaluate import evaluate

    with checkpoint_flags("test", arguments.checkpoint, arguments.recognizer):
        scores = evaluate(
            arguments.checkpoint,
            *arguments.overrides,
            recognizer=arguments.recognizer,
            margin=arguments.margin,
            benchmarks=arguments.benchmarks,
        )
    echo(scores)
    return 0


@contextmanager
def checkpoint_flags(command: str, checkpoint: str | None, recognizer: str | None) -> Iterator[None]:
    """Name parameters as flags in messages of errors, and swap checkpoints as the command line does."""
    try:
        with as_flags("recognizer", "margin", "benchmarks"):
            yield
    except SwappedError as error:
        both = f"{recognizer} … --recognizer {checkpoint}"
        message, _, _ = str(error).rpartition("\n")
        raise CheckpointError(f"{message}\n  swap them: ocr-train {command} {both}") from None


def add_recognizer(parser: Parser) -> None:
    """Add the flags of a recognizer after a detector."""
    parser.add_argument(
        "--recognizer",
        metavar="CKPT",
        help="a recognizer's .ckpt file, to read the detected text; recognizer.KEY=VALUE sets its options",
    )
    parser.add_argument(
        "--margin",
        type=float,
        help="margin around each cropped text, as a fraction of its height (default: as in the "
        "recognizer's training)",
    )
