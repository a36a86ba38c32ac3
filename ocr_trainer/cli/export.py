"""The `ocr-train export` command."""

from __future__ import annotations

from collections.abc import Sequence

from ocr_trainer.cli.parser import Parser
from ocr_trainer.errors import ConfigError
from ocr_trainer_runtime.text.visible import echo


def export(words: Sequence[str]) -> int:
    """Export a checkpoint, print the table of the gate and the folder."""
    parser = Parser(
        "ocr-train export",
        description="Export a trained model to a format that another engine runs. The export is written only "
        "if that engine gives what the checkpoint gives.",
    )
    parser.add_argument("checkpoint", help="a .ckpt file that ocr-train wrote, or a run directory")
    parser.add_argument(
        "overrides",
        nargs="*",
        help="options of the format, such as exporter.int8=true, and of the model, such as model.beam=1",
    )
    parser.add_argument(
        "--format", required=True, help="an exporter; `ocr-train list-plugins exporter` lists them"
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="the folder to make")
    parser.add_argument(
        "--data",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="other data for the gate than that of the checkpoint, such as dataset.root=DIR",
    )
    parser.add_argument("--license", metavar="NAME", help="the license of the weights, for the model card")
    parser.add_argument(
        "--no-gate",
        action="store_true",
        help="compare nothing; the model card says that the export is not gated",
    )
    arguments = parser.parse_intermixed_args(words)
    from ocr_trainer.api.export import export

    if arguments.no_gate and arguments.data:
        raise ConfigError(
            "--no-gate compares nothing, but --data names images to compare on: leave out one of the two"
        )
    made = export(
        arguments.checkpoint,
        arguments.format,
        arguments.out,
        *arguments.overrides,
        *arguments.data,
        gate=not arguments.no_gate,
        license=arguments.license,
    )
    echo(made)
    echo(made.folder)
    return 0
