"""What several variants reach, and what that costs: score and ceiling, parameters, seconds, milliseconds, memory."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from pipeline.compared import Blocks, Compared
from pipeline.errors import UserError, choices

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LATER = "#bf8700"  # what is done once, for all who read its features


class Parameters(BaseModel):
    """own_ceilings: of variants that cannot see all there is, the reader among their dataset's references that sees as
    much."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    own_ceilings: dict[str, str] = {}


@dataclass(frozen=True)
class Cost:
    """One panel: its title, how its numbers are written, one number a variant, and what of it features are."""

    title: str
    numbers: str
    values: list[float]
    of_features: list[float]


def check(blocks: list[Blocks], parameters: Parameters) -> None:
    """Raise `ValueError` for a ceiling of a variant that is not shown."""
    shown = [one.name for one in blocks]
    for name in parameters.own_ceilings:
        if name not in shown:
            raise ValueError(f"parameters.own_ceilings: no {name!r} among the variants; {choices(name, shown)}")


def draw(compared: list[Compared], parameters: Parameters) -> "Figure":
    """A row a variant, a column for what it reaches and one for each cost; features apart, as they are stored."""
    from pipeline.figures import canvas

    panels = costs(compared)
    figure, axes = canvas(2.0 + 1.75 * (len(panels) + 1), 1.1 + 0.34 * len(compared), len(panels) + 1)
    names = [one.name for one in compared]
    scores = [one.metrics["score"] for one in compared]
    bars = axes[0].barh(names, scores, color="#0969da", height=0.6)
    axes[0].bar_label(bars, [f"{score:.3f}" for score in scores], padding=6, fontsize=7)
    for place, one in enumerate(compared):
        ceiling = ceiling_of(one, parameters)
        if ceiling is not None:
            axes[0].plot([ceiling] * 2, [place - 0.4, place + 0.4], color="black", linewidth=1.5)
    axes[0].set_title(f"{compared[0].metrics['metric']} | best reachable", fontsize=8)
    axes[0].set_xlim(right=1.35 * max(scores))
    for axis, panel in zip(axes[1:], panels, strict=True):
        axis.barh(names, panel.of_features, color=LATER, height=0.6)
        own = [value - part for value, part in zip(panel.values, panel.of_features, strict=True)]
        bars = axis.barh(names, own, left=panel.of_features, color="#0969da", height=0.6)
        axis.bar_label(bars, [format(value, panel.numbers) for value in panel.values], padding=4, fontsize=7)
        axis.set_title(panel.title, fontsize=8)
        axis.set_xlim(right=1.6 * max(panel.values) or 1)
        axis.set_yticklabels([])
    for axis in axes:
        axis.invert_yaxis()
        axis.grid(visible=False, axis="y")
        axis.set_xticks([])  # every bar says its number
    return figure


def ceiling_of(one: Compared, parameters: Parameters) -> float | None:
    """The best that a variant can reach, or what the reader reaches that is named for it."""
    reader = parameters.own_ceilings.get(one.name)
    references: dict[str, float] = one.metrics.get("references", {})
    if reader and reader not in references:
        raise UserError(f"parameters.own_ceilings.{one.name}: no reader {reader!r}; {choices(reader, references)}")
    found: float | None = references[reader] if reader else one.metrics["ceiling"]
    return found


def costs(compared: list[Compared]) -> list[Cost]:
    """Each cost of each variant; what is not known counts as nothing."""
    trained = [one.timings.get("train_seconds", 0.0) for one in compared]
    features = [one.timings.get("derive_seconds", 0.0) for one in compared]
    latency = [one.timings.get("latency_ms", 0.0) for one in compared]
    for_one = [one.timings.get("derive_ms_per_example", 0.0) for one in compared]
    nothing = [0.0] * len(compared)
    return [
        Cost("parameters", ",.0f", [float(one.metrics["num_parameters"]) for one in compared], nothing),
        Cost("training and (ochre)\nstoring features, s", ".1f", _sum(trained, features), features),
        Cost("answering one, and (ochre)\nits features, ms", ".2f", _sum(latency, for_one), for_one),
        Cost("memory in\ntraining, MB", ",.0f", [one.timings.get("peak_megabytes", 0.0) for one in compared], nothing),
    ]


def _sum(first: list[float], second: list[float]) -> list[float]:
    return [one + other for one, other in zip(first, second, strict=True)]
