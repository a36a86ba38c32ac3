"""The `ocr-train predict` command: results of each image as files in a folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_trainer.cli.evaluate import add_recognizer, checkpoint_flags
from ocr_trainer.cli.parser import Parser
from ocr_trainer.errors import ConfigError, DataError
from ocr_trainer.plugin import Config, Kind
from ocr_trainer_runtime.text.visible import echo, one_line

if TYPE_CHECKING:
    from ocr_trainer.cli.inputs import Input
    from ocr_trainer.engine.callbacks.bar import Report
    from ocr_trainer.evaluation.predict import Reader


def predict(words: Sequence[str]) -> int:
    """Find text in images, read it, or do both."""
    parser = Parser(
        "ocr-train predict",
        usage="ocr-train predict [CKPT] IMAGE... [options]",
        description="Find text in images, and read it.",
    )
    parser.add_argument(
        "words",
        nargs="+",
        metavar="CKPT, IMAGE",
        help="first the .ckpt file of a detector, or of a recognizer for images of words, or the name of "
        "published weights (default: the installed ones); then images, PDFs, folders and patterns such as "
        "'scans/*.png'; and overrides such as model.size=1024",
    )
    add_recognizer(parser)
    parser.add_argument(
        "--out", default="predictions", metavar="DIR", help="output folder (default: %(default)s)"
    )
    parser.add_argument(
        "--format",
        metavar="LIST",
        help="writers separated by commas; `ocr-train list-plugins writer` lists them (default: "
        "json,text,overlay, or json,overlay without a recognizer); writer.NAME.KEY=VALUE sets their options",
    )
    parser.add_argument(
        "--dpi", type=float, default=300, help="pixels per inch of the pages of PDFs (default: %(default)s)"
    )
    arguments = parser.parse_intermixed_args(words)
    overrides, options, named = _split(arguments.words)
    from ocr_trainer.api.load import load
    from ocr_trainer.cli.inputs import given_images, named_inputs, names_images
    from ocr_trainer_runtime.images.pdf import check_dpi

    check_dpi(arguments.dpi, "--dpi")
    checkpoint = named.pop(0) if named and not names_images(named[0]) else None
    if not named:
        parser.error("no image is named")
    paths, out = given_images(named), Path(arguments.out)
    with checkpoint_flags("predict", checkpoint, arguments.recognizer):
        reader = load(checkpoint, *overrides, recognizer=arguments.recognizer, margin=arguments.margin)
        if reader.finds:
            formats = _formats(arguments.format, options, reader.reads)
            _write_pages(reader, named_inputs(paths, arguments.dpi), out, formats)
            return 0
    if arguments.format is not None or options:
        word = options[0] if options else "--format"
        raise ConfigError(
            f"{word} is for pages, which need a detector: name its checkpoint before --recognizer; "
            "for images of words, predict writes readings.jsonl and readings.tsv"
        )
    _write_readings(reader, named_inputs(paths, arguments.dpi), out)
    return 0


def _split(words: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """Split the arguments into overrides of the models, options of writers, and names of images."""
    overrides = [
        word for word in words if word.startswith(("model.", "tiles.", "recognizer.")) and "=" in word
    ]
    options = [word for word in words if word.startswith("writer.") and "=" in word]
    named = [word for word in words if word not in overrides and word not in options]
    for word in named:
        if "=" in word and not Path(word).exists():
            raise ConfigError(
                f"'{word}' is not an image, and predict accepts only options of model.…, tiles.… and writer.…"
            )
    return overrides, options, named


def _formats(listed: str | None, options: Sequence[str], read: bool) -> dict[str, Config]:
    """Return the options of each requested result format, by the name of its writer plugin.

    Args:
        listed: The names, separated by commas; None for the defaults.
        options: Words such as `writer.NAME.KEY=VALUE`.
        read: Whether there is a recognizer.
    """
    from ocr_trainer.config.plugin_options import plugin_config
    from ocr_trainer.results.formats import OWN, check_suffixes, description

    if listed is None:
        # Full names: a plugin of another distribution may have the same short name.
        names = [f"{OWN}{name}" for name in (("json", "text", "overlay") if read else ("json", "overlay"))]
    else:
        names = [name.strip() for name in listed.split(",")]
    given: dict[str, dict[str, str]] = {name: {} for name in names}
    for word in options:
        name, _, option = word.removeprefix("writer.").partition(".")
        own = [known for known in names if known.rpartition(":")[2] == name]
        if not own:
            chosen = ",".join(known.rpartition(":")[2] for known in names)
            raise ConfigError(f"{word} is for --format {name}; the formats are {chosen}")
        key, _, value = option.partition("=")
        given[own[0]][key] = value
    for name in names:
        if description(name).needs_text and not read:
            raise ConfigError(f"--format {name} needs a recognizer: add --recognizer CKPT")
    check_suffixes(given)
    return {name: plugin_config(Kind.writer, name, values) for name, values in given.items()}


def _write_pages(reader: Reader, inputs: Sequence[Input], out: Path, formats: Mapping[str, Config]) -> None:
    """Write the results of all images."""
    from ocr_trainer.engine.callbacks.bar import progress
    from ocr_trainer.results.files import ResultFiles

    done = words = 0
    # The pages come in the order of the images, one by one.
    remaining = iter(inputs)
    images = (given.image for given in inputs)
    with _writing(out), progress(len(inputs), "reading") as report, ResultFiles(out, formats) as files:
        for page in reader.predict(images, on_error=lambda error: _skip(error, report, next(remaining))):
            _, name, document = next(remaining)
            files.write(name, page, document)
            line = f"{page.label}: {len(page.words)} texts{''.join(f'; {w}' for w in page.warnings)}"
            report(one_line(line), bool(page.warnings))
            done, words = done + 1, words + len(page.words)
    _print_summary(done, len(inputs), f"{words} texts", out)
    files.finish()


def _write_readings(reader: Reader, inputs: Sequence[Input], out: Path) -> None:
    """Write the texts of images of words to `readings.jsonl`, an object per line, and `readings.tsv`."""
    from ocr_trainer.engine.callbacks.bar import progress
    from ocr_trainer_runtime.results import json_file
    from ocr_trainer_runtime.results.tsv import SEPARATORS

    done = 0
    images = (given.image for given in inputs)
    with _writing(out), progress(len(inputs), "reading") as report:
        rows = (out / "readings.jsonl").open("w", encoding="utf-8")
        table = (out / "readings.tsv").open("w", encoding="utf-8")
        with rows, table:
            for page in reader.predict(images, on_error=lambda error: _skip(error, report)):
                (word,) = page.words
                assert word.reading is not None
                name = one_line(page.label)
                rows.write(f"{json_file.row(page.source, word.reading, page.number)}\n")
                table.write(f"{name}\t{SEPARATORS.sub(' ', word.text)}\n")
                report(f"{name}: {one_line(word.text)}")
                done += 1
    _print_summary(done, len(inputs), "readings.jsonl, readings.tsv", out)


def _skip(error: DataError, report: Report, *_: Input) -> None:
    echo(f"ocr-train: skipped: {one_line(str(error))}", file=sys.stderr)
    report()


def _print_summary(done: int, images: int, what: str, out: Path) -> None:
    if not done:
        raise DataError(f"none of the {images} images could be read")
    if images > 1:
        echo(f"{done} of {images} images: {what}")
    echo(out)


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    """Create the folder of results, and convert errors of writing there.

    Raises:
        DataError: Something cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        yield
    except BrokenPipeError:
        raise  # from standard output, not from a result file
    except OSError as error:
        raise DataError(f"predictions cannot be written to {out}: {error.strerror}") from error
