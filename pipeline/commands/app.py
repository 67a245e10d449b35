"""What all commands share. What a command needs is imported when it runs, so that `--help` answers at once."""

import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pipeline.progress import say


class Commands(TyperGroup):
    """Says what a Ctrl-C has left; Typer alone would end in silence."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            by_dvc = "DVC_STAGE" in os.environ  # which took the earlier outputs away before it called the stage
            say("interrupted" if by_dvc else "interrupted: earlier results are as they were")
            sys.exit(130)


app = typer.Typer(
    cls=Commands,
    name="pipeline",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Generate or import data, train, export, score and report every variant of params.yaml. "
    "`dvc repro` calls the stages in order and skips what is up to date; each can be run on its own.",
)
STAGES, USE, CARE = "Stages (what dvc.yaml calls)", "Use what was made", "Look after it"
CHAMPION = "Choose the champion"
Name = Annotated[str, typer.Argument(metavar="NAME", help="A key of the section in params.yaml.")]
DatasetName = Annotated[str, typer.Argument(metavar="DATASET", help="A dataset of params.yaml.")]
Variant = Annotated[str, typer.Argument(metavar="VARIANT", help="A key under `variants` in params.yaml.")]
