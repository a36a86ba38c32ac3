"""The `ocr-train check-data` command."""

from __future__ import annotations

from collections.abc import Sequence

from ocr_trainer.cli.parser import Parser
from ocr_trainer.errors import DataError
from ocr_trainer_runtime.text.visible import echo


def check_data(words: Sequence[str]) -> int:
    """Read every sample of a dataset and print those that cannot be used.

    Raises:
        DataError: More samples are unusable than a run allows, or a split is empty.
    """
    parser = Parser("ocr-train check-data", description="Read every sample and list what is broken.")
    parser.add_argument("overrides", nargs="*", help="as for a run; model=… is optional")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_intermixed_args(words)
    from ocr_trainer.api.checks import check_data

    found = check_data(*arguments.overrides)
    if arguments.json:
        import json

        echo(json.dumps(found.to_dict(), indent=2))
    else:
        echo(found)
    if found.problems:
        raise DataError("\n  ".join(found.problems))
    return 0
