"""The scores of several variants over a number that their datasets differ in: recall by lag, say."""

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from pipeline.compared import Compared

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Parameters(BaseModel):
    """parameter: of the datasets, along the axis. group: of the variants' networks, one line for each of its values."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    parameter: str
    group: str = "cell"


def draw(compared: list[Compared], parameters: Parameters) -> "Figure":
    """One line for each group, a dot with its name for each variant, and the ceilings."""
    from pipeline.figures import canvas

    figure, (axis,) = canvas(7.5, 3.6)
    groups: dict[str, list[Compared]] = {}
    for one in compared:
        groups.setdefault(str(one.variant["network"].get(parameters.group, "")), []).append(one)
    for group, members in groups.items():
        members.sort(key=lambda one: one.dataset["parameters"][parameters.parameter])
        places = [one.dataset["parameters"][parameters.parameter] for one in members]
        label = ", ".join(one.name for one in members)
        axis.plot(places, [one.metrics["score"] for one in members], marker="o", label=label or group, linewidth=1.3)
        ceilings = [one.metrics["ceiling"] for one in members]
        axis.plot(places, ceilings, color="black", marker="_", markersize=14, linestyle="", zorder=0)
    axis.set(xlabel=parameters.parameter, ylabel=compared[0].metrics["metric"], xscale="log", ylim=(0, 1.05))
    axis.legend(fontsize=7)
    return figure
