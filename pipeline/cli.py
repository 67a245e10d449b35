"""`python -m pipeline`: runs a command of pipeline/commands/ and turns errors into messages and exit codes."""

import sys

from pipeline.commands import stages, use, champion, care  # noqa: F401  # isort: skip  (each adds its commands, in this order)
from pipeline.commands.app import app
from pipeline.errors import StageFailure, UserError
from pipeline.progress import say


def main() -> None:
    """Run a command; errors are one clear message: exit code 2 for the user's mistakes, 1 for failures."""
    try:
        app(standalone_mode=True)
    except UserError as error:
        say(f"error: {error}")
        sys.exit(2)
    except StageFailure as error:
        say(f"failed: {error}")
        sys.exit(1)
    except OSError as error:
        say(f"failed: {error}")
        sys.exit(1)
