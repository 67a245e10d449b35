"""The validation losses of several variants over their updates, in one picture."""

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from pipeline.compared import Compared

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Parameters(BaseModel):
    """ceiling: whether to draw the best reachable loss, where the loss is the deciding metric."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ceiling: bool = False


def draw(compared: list[Compared], parameters: Parameters) -> "Figure":
    """One line a variant."""
    from pipeline.figures import canvas

    figure, (axis,) = canvas(6.3, 3.6)
    for one in compared:
        rows = one.history
        axis.plot([row["step"] for row in rows], [row["val_loss"] for row in rows], label=one.name, linewidth=1.3)
    known = [one.metrics["ceiling"] for one in compared if one.metrics["ceiling"] is not None]
    if parameters.ceiling and known:
        axis.axhline(min(known), color="black", linewidth=0.8, linestyle="--", label="best reachable, test")
    axis.set(xlabel="updates", ylabel="validation loss", yscale="log")
    axis.legend(fontsize=8, ncols=2)
    return figure
