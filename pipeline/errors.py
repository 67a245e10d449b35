"""The two ways a command ends badly: the user can mend it, or it failed."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """Something the user wrote or gave is wrong; the message says what, where and what is allowed. Exit code 2."""


class StageFailure(Exception):
    """A stage could not finish although its input was valid (a loss that became NaN, say). Exit code 1."""


def choices(found: str, allowed: Iterable[str]) -> str:
    """Say what is allowed in place of `found`, nearest spelling first."""
    names = sorted(allowed)
    near = get_close_matches(found, names, n=1)
    listing = ", ".join(names) if names else "none exist"
    return f"did you mean {near[0]!r}? Allowed: {listing}" if near else f"allowed: {listing}"
