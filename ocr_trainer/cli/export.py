"""The `ocr-train export` command."""

from __future__ import annotations

from collections.abc import Sequence

from ocr_trainer.cli.parser import Parser
from ocr_trainer.errors import ConfigError
from ocr_trainer_runtime.text.visible import echo


def export(words: Sequence[str]) -> int:
    """Export a checkpoint; print the table of the gate and the folder."""
    parser = Parser(
        "ocr-train export",
        description="Export a trained model to a format that other software runs. The export is written only "
        "if that software gives the same results as the checkpoint.",
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
    parser.add_argument("--out", required=True, metavar="DIR", help="the folder to create")
    parser.add_argument(
        "--data",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="data for the gate, such as dataset.root=DIR (default: the dataset of the checkpoint)",
    )
    parser.add_argument("--license", metavar="NAME", help="the license of the weights, for the model card")
    parser.add_argument(
        "--no-gate",
        action="store_true",
        help="write the export without a comparison; the model card says so",
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
