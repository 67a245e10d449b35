"""The scores of several variants that answer texts with texts, over the length of what they read."""

from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from pipeline.compared import Blocks, Compared
from pipeline.places import PREDICTIONS_FILE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

VIEW = "text_to_text"
POINTS = 8


class Parameters(BaseModel):
    """None."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def check(blocks: list[Blocks], parameters: Parameters) -> None:
    """Raise `ValueError` for a variant that reads no text, or other texts than the first one does."""
    for one in blocks:
        for key, allowed in (("view", VIEW), ("dataset", blocks[0].variant["dataset"])):
            found = one.variant[key]
            if found != allowed:
                raise ValueError(f"variants: {key} of {one.name} is {found!r}; allowed: {allowed!r}")


def draw(compared: list[Compared], parameters: Parameters) -> "Figure":
    """One line a variant: the share of exact answers to texts of about the same number of tokens."""
    import pandas as pd

    from pipeline.figures import canvas

    figure, (axis,) = canvas(6.3, 3.6)
    for one in compared:
        table = pd.read_csv(one.folder / PREDICTIONS_FILE)
        places, shares = _exact_by_length(table["source_tokens"].to_numpy(), table["exact"].to_numpy())
        axis.plot(places, shares, marker="o", markersize=4, label=one.name, linewidth=1.3)
    axis.set(xlabel="tokens of what is read", ylabel="share of exact answers", ylim=(-0.03, 1.03))
    axis.legend(fontsize=7)
    return figure


def _exact_by_length(lengths: Any, exact: Any) -> tuple[list[float], list[float]]:
    """Mean length and share of right answers of equally many texts each, the shortest first."""
    order = np.argsort(lengths, kind="stable")
    parts = np.array_split(order, min(POINTS, len(order)))
    return [float(lengths[rows].mean()) for rows in parts], [float(exact[rows].mean()) for rows in parts]
