"""The shapes in which networks map sequences to answers, drawn as boxes, with the numbers of the first test example."""

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from pipeline.compared import Blocks, Compared
from pipeline.places import PREDICTIONS_FILE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

READ, MEMORY, ANSWER = "#ddf4ff", "#fff8c5", "#dafbe1"


class Parameters(BaseModel):
    """None."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def check(blocks: list[Blocks], parameters: Parameters) -> None:
    """Raise `ValueError` for a variant whose dataset is of another source: only this one has shapes."""
    for one in blocks:
        source = one.dataset.get("source")
        if source != "mappings":
            raise ValueError(f"variants: dataset of {one.name} is of source {source!r}; allowed: 'mappings'")


def draw(compared: list[Compared], parameters: Parameters) -> "Figure":
    """One panel a variant: what is read below, what is remembered in the middle, what is answered above."""
    from pipeline.figures import canvas

    figure, axes = canvas(3.1 * len(compared), 3.1, len(compared))
    for axis, one in zip(axes, compared, strict=True):
        _panel(axis, one)
    return figure


def _panel(axis: "Axes", one: Compared) -> None:
    import pandas as pd

    table = pd.read_csv(one.folder / PREDICTIONS_FILE)
    answers = table[table["example"] == 0]
    shape, steps = one.dataset["parameters"]["shape"], int(one.dataset["parameters"].get("steps", 5))
    read = 1 if shape.startswith("one_to") else steps
    answered = len(answers)
    later = read if shape == "encoder_decoder" else 0
    first_answer = later if later else read - 1 if answered == 1 else 0
    columns = max(read, first_answer + answered)
    for step in range(read):
        _box(axis, step, 0, READ, f"x{step + 1}")
        _arrow(axis, (step, 0.3), (step, 0.7))
    for step in range(columns):
        _box(axis, step, 1, MEMORY, "")
        if step:
            _arrow(axis, (step - 0.65, 1), (step - 0.35, 1))
    for place, (actual, predicted) in enumerate(zip(answers["actual"], answers["predicted"], strict=True)):
        step = first_answer + place
        _arrow(axis, (step, 1.3), (step, 1.7))
        _box(axis, step, 2, ANSWER, f"{predicted:.2f}")
        axis.text(step, 2.5, f"({actual:.2f})", ha="center", fontsize=6, color="#57606a")
    noise = "" if one.metrics["ceiling"] is None else f", noise {one.metrics['ceiling']:.4f}"
    axis.set_title(f"{shape.replace('_', ' ')}\nmse {one.metrics['score']:.4f}{noise}", fontsize=8)
    axis.set(xlim=(-0.6, columns - 0.4), ylim=(-0.5, 2.8))
    axis.set_axis_off()


def _box(axis: "Axes", column: float, row: float, colour: str, text: str) -> None:
    from matplotlib.patches import Rectangle

    axis.add_patch(
        Rectangle((column - 0.35, row - 0.3), 0.7, 0.6, facecolor=colour, edgecolor="#57606a", linewidth=0.7)
    )
    axis.text(column, row, text, ha="center", va="center", fontsize=6)


def _arrow(axis: "Axes", start: tuple[float, float], end: tuple[float, float]) -> None:
    axis.annotate("", xy=end, xytext=start, arrowprops={"arrowstyle": "->", "linewidth": 0.7, "color": "#57606a"})
