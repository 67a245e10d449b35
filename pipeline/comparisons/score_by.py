"""The scores of several variants over a number that their datasets differ in: recall by lag, say."""

from numbers import Real
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from pipeline.compared import Blocks, Compared
from pipeline.errors import choices

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Parameters(BaseModel):
    """parameter: of the datasets, along the axis. lines: the variants that belong to one line, by its name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    parameter: str
    lines: dict[str, list[str]]


def check(blocks: list[Blocks], parameters: Parameters) -> None:
    """Raise `ValueError` for a line of unknown variants, and for one that has no place on the logarithmic axis."""
    known = [one.name for one in blocks]
    for line, variants in parameters.lines.items():
        for name in variants:
            if name not in known:
                raise ValueError(f"parameters.lines.{line}: no {name!r} among the variants; {choices(name, known)}")
    for one in blocks:
        own = one.dataset.get("parameters") or {}
        place = own.get(parameters.parameter)
        if parameters.parameter not in own:
            raise ValueError(
                f"parameters.parameter: dataset {one.variant['dataset']} of {one.name} has no "
                f"{parameters.parameter!r}; {choices(parameters.parameter, own)}"
            )
        if not isinstance(place, Real) or isinstance(place, bool) or place <= 0:
            raise ValueError(
                f"parameters.parameter: {parameters.parameter} of dataset {one.variant['dataset']} is {place!r}; "
                "allowed: numbers above 0"
            )


def draw(compared: list[Compared], parameters: Parameters) -> "Figure":
    """The lines, and a mark at each ceiling; variants that no line names are not shown."""
    from pipeline.figures import canvas

    figure, (axis,) = canvas(6.3, 3.6)
    for name, variants in parameters.lines.items():
        members = sorted(
            (one for one in compared if one.name in variants), key=lambda one: _place(one, parameters.parameter)
        )
        places = [_place(one, parameters.parameter) for one in members]
        axis.plot(places, [one.metrics["score"] for one in members], marker="o", label=name, linewidth=1.3)
        ceilings = [one.metrics["ceiling"] for one in members]
        axis.plot(places, ceilings, color="black", marker="_", markersize=14, linestyle="", zorder=0)
    shares = [1.0] if compared[0].metrics["higher_is_better"] else []  # of which all are is 1; errors have no largest
    highest = max(shares + [one.metrics["score"] for one in compared])
    axis.set(xlabel=parameters.parameter, ylabel=compared[0].metrics["metric"], xscale="log", ylim=(0, 1.05 * highest))
    axis.legend(fontsize=7)
    return figure


def _place(one: Compared, parameter: str) -> float:
    """Where a variant stands along the axis."""
    place: float = one.dataset["parameters"][parameter]
    return place
