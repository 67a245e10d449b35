"""The scores of several variants of one problem side by side, and the best reachable one."""

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from pipeline.compared import Compared

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Parameters(BaseModel):
    """None."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def draw(compared: list[Compared], parameters: Parameters) -> "Figure":
    """One bar a variant, with its parameters; a line for each ceiling."""
    from pipeline.figures import canvas

    figure, (axis,) = canvas(6.3, 0.9 + 0.36 * len(compared))
    names = [one.name for one in compared]
    bars = axis.barh(names, [one.metrics["score"] for one in compared], color="#0969da", height=0.6)
    labels = [f"{one.metrics['score']:.4f}   {one.metrics['num_parameters']:,} parameters" for one in compared]
    axis.bar_label(bars, labels, padding=4, fontsize=7)
    for ceiling in {one.metrics["ceiling"] for one in compared} - {None}:
        axis.axvline(ceiling, color="black", linewidth=0.8, linestyle="--")
    lower = "" if compared[0].metrics["higher_is_better"] else " (lower is better)"
    axis.set(xlabel=f"{compared[0].metrics['metric']}{lower}; dashed: best reachable")
    axis.set_xlim(right=1.45 * max(one.metrics["score"] for one in compared))
    axis.invert_yaxis()
    axis.grid(visible=False, axis="y")
    return figure
